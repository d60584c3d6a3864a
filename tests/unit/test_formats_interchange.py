"""REDCap, ODM and FHIR: what a study holds goes out and comes back; the files of others are read."""

import csv
import datetime as dt
import io
import json
import os
from pathlib import Path

import polars as pl
import pytest

from commensal.errors import InputError
from commensal.formats import read
from commensal.formats.deidentified import deidentify, pseudonym, shift_of
from commensal.formats.doors import parse_mapping
from commensal.formats.fhir import draft_fhir
from commensal.formats.fhir_write import write_bundle
from commensal.formats.mapping_text import mapping_text
from commensal.formats.odm import draft_odm, read_groups, write_odm
from commensal.formats.redcap import read_project, write_project
from commensal.formats.redcap_study import ROOTS, draft_redcap, project_of, tables_of
from commensal.formats.texts import spreadable, unspreadable
from commensal.study.conform import conform
from commensal.study.inputs import INPUTS

DATA = os.environ.get("COMMENSAL_DATA")
AT = dt.datetime(2026, 3, 1, 12, 30, tzinfo=dt.UTC)
DAY = dt.date(2026, 2, 3)
ROWS = {
    "patients": [
        {"patient_id": "P1", "arm": "fmt", "sex": "intersex", "born_on": dt.date(1930, 2, 3), "index_on": DAY,
         "arm_as_recorded": '=HYPERLINK("x")', "is_mucosal_barrier_injured": False, "indication": "uc"},
        {"patient_id": "P2", "arm": "placebo", "sex": None, "arm_as_recorded": "'quoted', \"twice\"\nline"},
    ],
    "donors": [{"donor_id": "D1", "kind": "universal", "bmi": 22.5, "recent_foods": "nuts;egg"}],
    "consents": [
        {"consent_id": "C1", "patient_id": "P1", "donor_id": None, "type": "informed_signed",
         "signed_on": DAY},
        {"consent_id": "C2", "patient_id": None, "donor_id": "D1", "type": "donor_consent",
         "signed_on": None},
    ],
    "sessions": [
        {"session_id": "S1", "patient_id": "P1", "number": 1, "administered_on": DAY, "administered_at": AT,
         "route": "colonoscopy", "dose_grams": 50.125}
    ],
    "visits": [{"visit_id": "V1", "patient_id": "P1", "visit": "W8", "visited_on": DAY,
                "status": "attended"}],
    "assessments": [
        {"visit_id": "V1", "patient_id": "P1", "instrument": "pain_nrs", "item": "pain",
         "occurrence": 1, "value": 4.0}
    ],
    "lab_results": [
        {"lab_result_id": "L1", "patient_id": "P1", "analyte": "crp", "value": 0.1, "unit": "mg/L",
         "bound": "below", "collected_on": DAY}
    ],
    "screenings": [
        {"result_id": "R1", "donor_id": "D1", "analyte": "hiv", "specimen": "blood", "result": "equivocal",
         "collected_on": DAY}
    ],
    "adverse_events": [
        {"adverse_event_id": "A1", "patient_id": "P1", "term": "ae01", "began_on": DAY, "grade": 2,
         "is_serious": False, "term_as_recorded": "+loose stools"}
    ],
}  # fmt: skip


@pytest.fixture
def frames():
    return {
        name: conform(pl.DataFrame(rows, infer_schema_length=None), INPUTS[name])
        for name, rows in ROWS.items()
    }


def same(found, frames, names):
    for name in names:
        keys = list(INPUTS[name].key)
        made = conform(found[name], INPUTS[name]).sort(keys, nulls_last=True)
        assert made.equals(frames[name].sort(keys, nulls_last=True)), name


@pytest.mark.parametrize("root", ROOTS)
def test_a_study_goes_to_redcap_and_comes_back(frames, root, tmp_path):
    for name, text in write_project(project_of(frames, root=root)).items():
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    draft, _ = draft_redcap(tmp_path)
    assert not draft.problems
    own = {t.name for t in tables_of(root)} & set(frames)
    key = ROOTS[root]
    same(draft.frames, {n: f.filter(pl.col(key).is_not_null()) for n, f in frames.items() if n in own}, own)


def test_a_study_goes_to_odm_and_comes_back(frames, tmp_path):
    path = tmp_path / "study.xml"
    path.write_text("".join(write_odm(frames, created_at=AT, name="A & B")), encoding="utf-8")
    draft, _ = draft_odm(path)
    assert not draft.problems
    same(draft.frames, frames, frames)


def test_a_study_goes_to_fhir_and_comes_back(frames, tmp_path):
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(write_bundle(frames, created_at=AT)), encoding="utf-8")
    draft, _ = draft_fhir(path)
    assert not draft.problems
    same(draft.frames, frames, frames)


@pytest.mark.slow
def test_a_bundle_is_valid_fhir(frames):
    from fhir.resources.R4B.bundle import Bundle

    assert len(Bundle.model_validate(write_bundle(frames, created_at=AT)).entry) == 11


def test_a_project_is_read_by_a_mapping_file_as_any_sheet(tmp_path):
    (tmp_path / "dictionary.csv").write_text(
        "Variable / Field Name,Form Name,Section Header,Field Type,Field Label,"
        '"Choices, Calculations, OR Slider Labels"\n'
        'id,base,,text,Id,\nsex,base,,radio,Sex,"0, female | 1, male"\n'
        'drug,base,,checkbox,Drugs,"1, ppi | 2, other"\n'
    )
    (tmp_path / "data.csv").write_text(
        "id,redcap_event_name,sex,drug___1,drug___2\n7,base_arm_1,0,1,0\n8,base_arm_1,3,,\n"
    )
    mapping = parse_mapping(
        """
[[tables]]
table = "patients"
[tables.columns]
patient_id = "id"
arm = { constant = "fmt" }
sex = { column = "sex", values = { 0 = "female", 1 = "male", 3 = "" } }
[[tables]]
table = "exposures"
when = { column = "drug___1", is = ["1"] }
[tables.columns]
exposure_id = { template = "{id}-ppi" }
patient_id = "id"
exposure = { constant = "ppi" }
""",
        name="m",
    )
    draft, _ = draft_redcap(tmp_path, mapping=mapping)
    assert draft.frames["patients"]["sex"].to_list() == ["female", None]
    assert draft.frames["exposures"]["patient_id"].to_list() == ["7"]
    assert [(p.row, p.column, p.severity) for p in draft.problems] == [(2, "sex", "warning")]


def test_a_parenteral_route_is_a_safety_problem_in_every_format(frames, tmp_path):
    odm = "".join(write_odm(frames, created_at=AT, name="x")).replace('"colonoscopy"/>', '"intravenous"/>')
    bundle = json.dumps(write_bundle(frames, created_at=AT)).replace(
        '"code": "colonoscopy"', '"code": "intravenous"'
    )
    project = write_project(project_of(frames, root="patients"))["data.csv"].replace(
        "colonoscopy", "intravenous"
    )
    dictionary = write_project(project_of(frames, root="patients"))["dictionary.csv"]
    (tmp_path / "a.xml").write_text(odm)
    (tmp_path / "a.json").write_text(bundle)
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "data.csv").write_text(project)
    (tmp_path / "p" / "dictionary.csv").write_text(dictionary)
    for format_name, name in (("odm", "a.xml"), ("fhir", "a.json"), ("redcap", "p")):
        with pytest.raises(InputError) as caught:
            read(format_name, tmp_path / name)
        assert caught.value.exit_code == 3, format_name


@pytest.mark.parametrize("text", ["=1+1", "+4", "-x", "@a", "'a", "''", "plain", ""])
def test_no_text_is_a_formula_and_none_is_lost(text):
    assert unspreadable(text)[:1] not in ("=", "+", "-", "@")
    assert spreadable(unspreadable(text)) == text


def test_entities_and_document_types_are_not_read(tmp_path):
    bomb = b'<!DOCTYPE ODM [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><ODM>&b;</ODM>'
    with pytest.raises(InputError, match="entities"):
        read_groups(bomb, name="bomb")


def test_a_mapping_file_is_written_as_it_is_read():
    mapping = {
        "missing": ["", 'say "no"'],
        "tables": [{"table": "patients", "distinct": True, "when": {"column": "a b"},
                    "columns": {"sex": {"column": "S", "values": {"m\u0000\x7f": "male", "": "female"}}}}],
    }  # fmt: skip
    assert parse_mapping(mapping_text(mapping), name="m") == mapping


def test_intervals_stay_and_names_go(frames):
    key = b"k" * 32
    made = deidentify(frames, key=key, on=dt.date(2026, 6, 1))
    patient = pseudonym("P1", kind="patients", key=key)
    session, event = (
        made.frames["sessions"].row(0, named=True),
        made.frames["adverse_events"].row(0, named=True),
    )
    assert session["patient_id"] == event["patient_id"] == patient
    assert session["administered_on"] == event["began_on"] == DAY + dt.timedelta(days=shift_of("P1", key=key))
    assert (session["administered_at"] - AT).days == shift_of("P1", key=key)
    first = made.frames["patients"].filter(pl.col("patient_id") == patient).row(0, named=True)
    assert first["born_on"] == dt.date(1936, 7, 1)
    text = json.dumps([f.rows() for f in made.frames.values()], default=str)
    for name in ("P1", "D1", "loose stools", "HYPERLINK", "nuts", "2026-02-03"):
        assert f'"{name}' not in text
    assert "patients.arm_as_recorded" in made.left_out
    assert made.small_cells["n_patients"].to_list() == [1, 1]
    with pytest.raises(InputError, match="too short"):
        deidentify(frames, key=b"short", on=DAY)


def real(folder, pattern):
    if not DATA:
        pytest.skip("COMMENSAL_DATA is not set")
    return sorted((Path(DATA) / "registry" / folder).glob(pattern))


def cells(content):
    return [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")) if row]


@pytest.mark.data
@pytest.mark.slow
def test_the_redcap_projects_are_written_back_cell_for_cell():
    projects = [p for p in real("redcap_REDCapR", "*") if p.is_dir()]
    assert len(projects) == 20
    for folder in projects:
        files = {
            p.name: p.read_bytes()
            for p in folder.glob("*.csv")
            if p.name not in ("data-old.csv", "metadata.csv")
        }
        written = write_project(read_project(files))
        for name, content in files.items():
            again = "dictionary.csv" if name.startswith("diction") else name
            assert cells(written[again].encode()) == cells(content), (folder.name, name)


@pytest.mark.data
@pytest.mark.slow
def test_an_odm_document_is_valid_by_the_schema_of_its_makers(frames, tmp_path):
    import xmlschema

    (schema,) = real("odm_xsd_1_3", "1-3-2/ODM1-3-2.xsd")
    path = tmp_path / "study.xml"
    path.write_text("".join(write_odm(frames, created_at=AT, name="A & B")), encoding="utf-8")
    xmlschema.XMLSchema(str(schema)).validate(str(path))


@pytest.mark.data
@pytest.mark.slow
def test_other_peoples_odm_is_read_or_refused():
    n_read = 0
    for path in [
        *real("redcap_REDCapR", "*/project*.xml"),
        *real("redcap_PyCap", "*.xml"),
        *real("odm_odmlib", "*.xml"),
    ]:
        try:
            read_groups(path.read_bytes(), name=path.name)
        except InputError:
            assert path.name == "test_odm_001.xml", path.name
        else:
            n_read += 1
    assert n_read >= 35


@pytest.mark.data
@pytest.mark.slow
def test_official_examples_of_fhir_are_read_with_their_faults():
    examples = real("fhir_hl7_r4_examples", "*.json")
    for path in examples:
        draft, _ = draft_fhir(path, mapping={"arm": "fmt"})
        assert all(p.row == 1 and p.message for p in draft.problems)
    draft, _ = draft_fhir(next(p for p in examples if p.name == "Patient-f001.json"), mapping={"arm": "fmt"})
    assert draft.frames["patients"].row(0, named=True)["sex"] == "male"
