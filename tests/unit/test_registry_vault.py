"""The vault's lock, and the files beside the database."""

import stat
from datetime import date

import pytest

from commensal.errors import InputError
from commensal.registry import files
from commensal.registry.vault import Vault, VaultLockedError, marks_of, open_vault, plain_name, plain_number

BORN = date(1980, 1, 2)
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


@pytest.fixture
def vault(tmp_path):
    return open_vault(tmp_path, given=None, is_empty=True)


def test_the_key_is_readable_by_its_owner_alone_and_stays(tmp_path):
    first = open_vault(tmp_path, given=None, is_empty=True)
    path = tmp_path / "vault_key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_vault(tmp_path, given=None, is_empty=False).fingerprint == first.fingerprint
    assert [p.name for p in tmp_path.iterdir()] == ["vault_key"]


def test_a_lost_key_is_an_error_and_no_new_one_is_made(tmp_path):
    with pytest.raises(VaultLockedError, match=r"holds entries[\s\S]*put the file back"):
        open_vault(tmp_path, given=None, is_empty=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", ["no key at all", "c2hvcnQ=", "!"])
def test_text_that_is_no_key_is_refused(key):
    with pytest.raises(VaultLockedError):
        Vault.of(key)


def test_another_key_opens_nothing(vault, tmp_path):
    (tmp_path / "other").mkdir()
    other = open_vault(tmp_path / "other", given=None, is_empty=True)
    sealed = vault.seal("ann")
    assert vault.open(sealed) == "ann"
    assert "ann" not in sealed
    with pytest.raises(VaultLockedError):
        other.open(sealed)
    assert vault.mark("name", "ann") != other.mark("name", "ann")


def test_a_name_is_the_same_however_it_is_written():
    assert plain_name("  Zoë  O'Neil-Brown ") == plain_name("BROWN, zoe o neil")
    assert plain_name("王 小明") != plain_name("王 小红")
    assert plain_number(" 00-12 34 a") == plain_number("1234A")


def test_marks_say_nothing_of_what_is_not_known(vault):
    marks = marks_of({"names": "ann", "hospital_number": " "}, born_on=None, site="S1", vault=vault)
    assert set(marks.values()) == {None}


def test_a_hospital_number_is_one_centres_own_and_a_national_one_everybodys(vault):
    who = {"names": "ann", "hospital_number": "17", "national_number": "99"}
    one, two = (marks_of(who, born_on=BORN, site=site, vault=vault) for site in ("S1", "S2"))
    assert one["hospital_mark"] != two["hospital_mark"]
    assert (one["national_mark"], one["name_mark"]) == (two["national_mark"], two["name_mark"])
    other = marks_of(who, born_on=date(1980, 1, 3), site="S1", vault=vault)
    assert other["name_mark"] != one["name_mark"]


# --- files


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (PDF, "application/pdf"),
        (b"\x89PNG\r\n\x1a\n...IEND\xaeB`\x82", "image/png"),
        (b"\xff\xd8\xff\xe0...\xff\xd9", "image/jpeg"),
    ],
)
def test_a_file_is_what_its_content_says(content, expected):
    assert files.media_type_of(content) == expected


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>%PDF-</html>", b"MZ\x90", PDF[:20], b"%PDF-" + b"0" * files.MAX_BYTES + b"%%EOF"],
)
def test_anything_else_cut_off_or_too_long_is_refused(content):
    with pytest.raises(InputError):
        files.media_type_of(content)


def test_a_kept_file_is_sealed_and_comes_back_the_same(vault, tmp_path):
    digest = files.keep(PDF, folder=tmp_path, vault=vault)
    path = files.path_of(digest, tmp_path)
    assert PDF not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert files.keep(PDF, folder=tmp_path, vault=vault) == digest
    assert files.fetch(digest, folder=tmp_path, vault=vault) == PDF


def test_a_file_that_no_longer_fits_its_digest_is_not_given_out(vault, tmp_path):
    digest = files.keep(PDF, folder=tmp_path, vault=vault)
    path = files.path_of(digest, tmp_path)
    path.write_bytes(vault.seal_bytes(PDF + b"more"))
    with pytest.raises(files.FileBrokenError, match="not what was brought in"):
        files.fetch(digest, folder=tmp_path, vault=vault)
    path.unlink()
    with pytest.raises(files.FileBrokenError, match="not there"):
        files.fetch(digest, folder=tmp_path, vault=vault)
