import pytest

from commensal.errors import InputError
from commensal.evidence.landmarks import windows_of


def test_windows_of_the_analysis_file_replace_the_vocabulary_s():
    table = windows_of({"prospective": {"M3": (80, 100)}})
    rows = {(r["cohort"], r["landmark"]): (r["open"], r["close"]) for r in table.to_dicts()}
    assert rows["prospective", "M3"] == (80, 100)
    assert rows["retrospective", "M3"] == (78, 136)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"prospektive": {"M3": (80, 100)}}, "prospective"),
        ({"prospective": {"M33": (80, 100)}}, "M3"),
        ({"prospective": {"M3": (60, 100)}}, "overlaps"),
        ({"prospective": {"M3": (95, 100)}}, "misses"),
    ],
)
def test_windows_that_cannot_be_are_refused_with_what_would_be_right(overrides, said):
    with pytest.raises(InputError, match=said):
        windows_of(overrides)
