"""A file laid before the registry: looked at, then all of it or nothing; twice changes nothing."""

import pytest

from commensal.errors import InputError, RefusedError
from commensal.registry import audit
from commensal.registry.actions import interchange
from commensal.registry.models import MODELS

pytestmark = pytest.mark.slow

SHEET = """Patient,Sex,First FMT,Route,CRP,Pain,Note
A-1,F,03.02.2024,colonoscopy,12.5,4,calm
A-2,M,28.02.2024,enema,,7,=1+1
A-3,F,29.02.2024,,3,,
"""
MAPPING = """
[[tables]]
table = "patients"
[tables.columns]
patient_id = "Patient"
sex = { column = "Sex", values = { F = "female", M = "male" } }
arm = { constant = "fmt" }
arm_as_recorded = "Note"
indication = { constant = "uc" }
cohort = { constant = "retrospective" }
index_on = { column = "First FMT", date_format = "%d.%m.%Y" }
[[tables]]
table = "sessions"
[tables.columns]
session_id = { template = "{Patient}-1" }
patient_id = "Patient"
administered_on = { column = "First FMT", date_format = "%d.%m.%Y" }
route = "Route"
[[tables]]
table = "lab_results"
when = { column = "CRP" }
[tables.columns]
lab_result_id = { template = "{Patient}-crp" }
patient_id = "Patient"
analyte = { constant = "crp" }
value = { column = "CRP", unit = "mg/L" }
collected_on = { column = "First FMT", date_format = "%d.%m.%Y" }
[[tables]]
table = "visits"
when = { column = "Pain" }
[tables.columns]
visit_id = { template = "{Patient}-v" }
patient_id = "Patient"
visit = { constant = "V0" }
status = { constant = "attended" }
[[tables]]
table = "assessments"
when = { column = "Pain" }
[tables.columns]
visit_id = { template = "{Patient}-v" }
patient_id = "Patient"
instrument = { constant = "pain_nrs" }
item = { constant = "pain" }
occurrence = { constant = 1 }
value = "Pain"
"""


def lay(universe, content=SHEET, *, mapping=MAPPING, name="records.csv", **more):
    more = {"site": "S1", "format_name": "table", "source": "old sheet", "has_registry_ids": False, **more}
    content = content if isinstance(content, bytes) else content.encode()
    return interchange.lay_before(
        by=universe.ann, content=content, file_name=name, mapping=mapping, **more
    ).pk


def take(universe, upload, *, reason="retrospective records"):
    found = interchange.dry_run(by=universe.ann, upload=upload)
    return interchange.apply_upload(by=universe.ann, upload=upload, digest=found.digest, reason=reason)


def everything():
    return {
        t: MODELS[t].objects.count() for t in ("patients", "sessions", "lab_results", "visits", "assessments")
    }


def test_a_sheet_is_looked_at_then_imported_as_an_import(universe):
    upload = lay(universe)
    found = interchange.dry_run(by=universe.ann, upload=upload)
    assert {t: c["add"] for t, c in found.counts.items()} == {
        "patients": 3,
        "sessions": 3,
        "lab_results": 2,
        "visits": 2,
        "assessments": 2,
    }
    assert found.may_go
    assert not any(everything().values())
    done = take(universe, upload)
    assert (done.n_added, done.n_changed) == (12, 0)
    assert everything() == {"patients": 3, "sessions": 3, "lab_results": 2, "visits": 2, "assessments": 2}
    first = MODELS["patients"].objects.get(pk="P0001")
    assert (first.sex, first.site_id, first.indication) == ("female", "S1", "uc")
    assert MODELS["patients"].objects.get(arm_as_recorded="=1+1").pk == "P0002"
    change = audit.history("patients", "P0001")[0]
    assert (change["actor"], change["reason"]) == ("ann", "retrospective records")
    assert MODELS["uploads"].objects.get().stage == "imported"


def test_the_same_file_twice_changes_nothing(universe):
    take(universe, lay(universe))
    before = audit.head()
    again = interchange.dry_run(by=universe.ann, upload=lay(universe))
    assert {v for step in again.steps for v in [step.verdict]} == {"same"}
    assert not again.may_go
    with pytest.raises(RefusedError, match="nothing is new"):
        take(universe, lay(universe))
    assert [h for h in audit.history("patients", "P0001") if h["seq"] > before.seq] == []


def test_a_later_file_changes_what_it_says_and_empties_nothing(universe):
    take(universe, lay(universe))
    later = SHEET.replace("A-1,F,03.02.2024,colonoscopy,12.5", "A-1,,03.02.2024,,14")
    upload = lay(universe, later)
    found = interchange.dry_run(by=universe.ann, upload=upload)
    changed = [step for step in found.steps if step.verdict == "change"]
    assert [(s.table, s.cells) for s in changed] == [("lab_results", (("value", 12.5, 14.0),))]
    take(universe, upload)
    assert MODELS["patients"].objects.get(pk="P0001").sex == "female"
    assert MODELS["sessions"].objects.get(patient="P0001").route == "colonoscopy"
    assert MODELS["lab_results"].objects.get(patient="P0001").value == 14.0


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("28.02.2024", "30.02.2024", "First FMT"),
        ("28.02.2024", "28.02.2099", "index_on"),
        ("A-2,M", "A-2,X", "Sex"),
        (",7,", ",seven,", "Pain"),
        ("enema", "intravenous", "Route"),
    ],
)
def test_one_bad_cell_and_nothing_is_imported(universe, old, new, column):
    upload = lay(universe, SHEET.replace(old, new))
    found = interchange.dry_run(by=universe.ann, upload=upload)
    columns = {p.column for p in found.problems} | {r.column for s in found.steps for r in s.refusals}
    assert column in columns
    assert not found.may_go
    with pytest.raises(RefusedError):
        take(universe, upload)
    assert not any(everything().values())


def test_what_the_database_refuses_is_said_before(universe):
    found = interchange.dry_run(by=universe.ann, upload=lay(universe, SHEET.replace(",7,", ",17,")))
    assert not found.may_go or found.n_refused == 0


def test_a_registry_that_changed_since_is_looked_at_again(universe):
    upload = lay(universe)
    found = interchange.dry_run(by=universe.ann, upload=upload)
    take(universe, lay(universe))
    with pytest.raises(RefusedError, match="has changed since"):
        interchange.apply_upload(by=universe.ann, upload=upload, digest=found.digest, reason="again")


def test_another_centre_is_not_reached(universe):
    upload = lay(universe)
    with pytest.raises(Exception, match=r"works at no centre|at your centres"):
        interchange.dry_run(by=universe.otto, upload=upload)
    universe.person("dora", "S2", "data_manager")
    patient = universe.patient()
    from django.contrib.auth import get_user_model

    dora = get_user_model().objects.get(username="dora")
    row = interchange.lay_before(
        by=dora,
        site="S2",
        content=SHEET.replace("A-1", patient.pk).encode(),
        file_name="x.csv",
        format_name="table",
        source="s",
        has_registry_ids=True,
        mapping=MAPPING,
    )
    found = interchange.dry_run(by=dora, upload=row.pk)
    assert not found.may_go
    assert any("at your centre" in r.reason for s in found.steps for r in s.refusals)


def test_a_donor_does_not_become_eligible_and_no_unit_releasable_by_a_file(universe):
    sheet = "donor,unit\nX1,U1\n"
    mapping = """
[[tables]]
table = "donors"
columns = { donor_id = "donor", status = { constant = "eligible" } }
[[tables]]
table = "units"
columns = { unit_id = "unit", release_pathway = { constant = "bookend" } }
"""
    found = interchange.dry_run(by=universe.ann, upload=lay(universe, sheet, mapping=mapping))
    reasons = " ".join(r.reason for s in found.steps for r in s.refusals)
    assert "physician decides" in reasons
    assert "historical" in reasons


def test_the_file_itself_is_kept_sealed_and_goes_when_it_is_decided(universe, settings):
    upload = lay(universe)
    kept = settings.FOLDER / "imports" / upload
    assert b"calm" not in kept.read_bytes()
    interchange.discard_upload(by=universe.ann, upload=upload)
    with pytest.raises((InputError, RefusedError)):
        interchange.dry_run(by=universe.ann, upload=upload)
