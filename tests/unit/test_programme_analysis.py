import pytest

from commensal.errors import InputError
from commensal.programme import read_analysis
from commensal.programme.analysis import SECTIONS


def write(folder, text: str):
    path = folder / "analysis.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_default_is_an_analysis_without_deviations():
    analysis = read_analysis()
    assert analysis.landmarks == ("W8", "M3", "Y1", "Y5")
    assert analysis.deviations == ()
    assert len(analysis.sha256) == 64


def test_what_differs_from_the_default_is_listed(tmp_path):
    analysis = read_analysis(write(tmp_path, "level = 0.9\n[windows.prospective]\nM3 = [80, 100]\n"))
    assert analysis.level == 0.9
    assert analysis.windows == {"prospective": {"M3": (80, 100)}}
    assert analysis.deviations == ("level = 0.9 (was 0.95)", "windows.prospective.M3 = [80, 100]")
    assert analysis.seed == read_analysis().seed


def test_the_default_file_says_what_every_room_does_by_default():
    chosen = read_analysis()
    for name, kind in SECTIONS.items():
        assert chosen.sections[name] == kind(), name


def test_differences_from_a_registered_file_are_deviations(tmp_path):
    registered = tmp_path / "registered.toml"
    registered.write_text("level = 0.9\n[missing]\nimputations = 30\n", encoding="utf-8")
    used = write(tmp_path, "level = 0.9\n[missing]\nimputations = 10\n")
    analysis = read_analysis(used, registered=registered)
    assert analysis.deviations == ("missing.imputations = 10 (was 30)",)
    assert "registered.toml (sha256 " in analysis.compared_with
    assert read_analysis(used, registered=used).deviations == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("levle = 0.9", "level"),
        ("[safety]\nprocedure_day = 7", "procedure_days"),
        ('landmarks = ["M33"]', "M3"),
        ("landmarks = []", "landmarks is empty"),
        ("level = 95", "0.5 to below 1"),
        ('level = "high"', "kind float"),
        ("seed = -1", "seed = -1 is negative"),
        ('[effects]\ncovariates = ["engraftment"]', "engraftment"),
        ('[missing]\nrescue = "ignored"', "rescue"),
        ("[prediction]\nfolds = 1", "folds"),
        ("safety = 3", "a section"),
        ("[windows.prospective]\nM3 = [78]", "two days"),
        ("[windows.prospective]\nM3 = [78, 105.5]", "two days"),
        ("level = = 1", "cannot be read"),
        ("[safety]\nprocedure_days = 0", "whole number of days"),
    ],
)
def test_a_faulty_file_is_refused_with_what_would_be_right(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        read_analysis(write(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_analysis(tmp_path / "absent.toml")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "analysis.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_analysis(path)
