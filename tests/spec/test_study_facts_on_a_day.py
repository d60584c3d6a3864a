"""Facts of material and of a recipient on a day, in clinical words."""

import datetime as dt

import polars as pl
import pytest

from commensal.study import (
    Manifest,
    Study,
    donation_facts,
    donor_facts,
    open_study,
    recipient_facts,
    study_of,
    unit_facts,
    unit_holds,
    write_study,
)
from commensal.vocabulary.facts import facts as declared_facts

INDEX = dt.date(2024, 3, 1)


def on(days: int) -> dt.date:
    return INDEX + dt.timedelta(days=days)


@pytest.fixture
def make():
    def build(clock: str = "calendar", **rows: list[dict]) -> Study:
        frames = {name: pl.DataFrame(some, infer_schema_length=None) for name, some in rows.items()}
        return study_of(frames, manifest=Manifest(origin="test", clock=clock))

    return build


def patient(**cells) -> list[dict]:
    return [{"patient_id": "p", "arm": "fmt", "index_on": INDEX} | cells]


def session(number: int, day: int, **cells) -> dict:
    return {"session_id": f"s{number}", "patient_id": "p", "administered_on": on(day)} | cells


def test_donor_and_unit_facts_on_a_day(make):
    day = (on(0) - dt.date(1970, 1, 1)).days
    study = make(
        patients=patient(),
        donors=[
            {"donor_id": "d", "born_on": dt.date(2000, 3, 2), "cmv_igg": "negative", "kind": "universal"},
            {"donor_id": "e", "born_on": None, "cmv_igg": "pending", "kind": "autologous"},
        ],
        donations=[{"donation_id": str(i), "donor_id": "d", "donated_on": on(-i)} for i in (-5, 10, 20)],
        batches=[{"batch_id": "b", "is_quality_passed": True}],
        units=[
            {"unit_id": "u", "batch_id": "b", "release_pathway": "bookend", "expires_on": on(10)},
            {"unit_id": "v", "batch_id": None, "release_pathway": "bookend", "expires_on": on(-1)},
            {"unit_id": "w", "batch_id": None, "release_pathway": "bookend", "expires_on": None},
        ],
        unit_donors=[{"unit_id": u, "donor_id": d} for u, d in ("ud", "vd", "ve")],
        sessions=[session(1, 0), session(2, 4)],
        session_units=[{"session_id": "s1", "unit_id": "u"}, {"session_id": "s2", "unit_id": "v"}],
        holds=[
            {"hold_id": "1", "kind": "recall", "donor_id": "e", "placed_on": on(-1), "lifted_on": None},
            {"hold_id": "2", "kind": "quarantine", "batch_id": "b", "placed_on": on(-9), "lifted_on": on(0)},
        ],
    )
    donors = collected(donor_facts(study, on_day=day), "donor_id")
    assert donors["donor_age_years"].to_list() == [23, None]
    assert donors["is_minor_donor"].to_list() == [False, None]
    assert donors["is_donor_pregnant"].to_list() == [None, None]
    units = collected(unit_facts(study, on_day=day), "unit_id")
    assert units["days_to_expiry"].to_list() == [10, -1, None]
    assert units["is_autologous"].to_list() == [False, True, None]
    assert units["is_restricted_to_one_patient"].to_list() == [False, True, None]
    assert units["hold"].to_list() == ["none", "recall", "none"]
    assert units["has_hold"].to_list() == [False, True, False]
    assert units["are_parts_known"].to_list() == [False, False, False]
    assert units["is_quality_passed"].to_list() == [True, None, None]


def collected(lazy, *by):
    frame = lazy.collect("polars").to_native()
    return frame.sort(*by) if by else frame


def day_number(day):
    return (day - dt.date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("product", "pathway", "kind", "is_autologous", "is_restricted"),
    [
        ("autologous", "bookend", None, True, True),
        ("frozen_suspension", "external_product", None, False, False),
        ("frozen_suspension", "bookend", None, None, None),
        (None, "bookend", "autologous", True, True),
        ("frozen_suspension", "bookend", "directed", False, True),
        ("frozen_suspension", "bookend", "universal", False, False),
        ("frozen_suspension", "bookend", "?", None, None),
    ],
)
def test_material_of_one_patient(make, product, pathway, kind, is_autologous, is_restricted):
    donors = [] if kind is None else [{"donor_id": "d", "kind": None if kind == "?" else kind}]
    study = make(
        patients=patient(),
        units=[{"unit_id": "u", "product": product, "release_pathway": pathway}],
        **({"donors": donors, "unit_donors": [{"unit_id": "u", "donor_id": "d"}]} if donors else {}),
    )
    row = collected(unit_facts(study, on_day=0), "unit_id").row(0, named=True)
    assert (row["is_autologous"], row["is_restricted_to_one_patient"]) == (is_autologous, is_restricted)


def test_the_gravest_hold_counts_and_an_undated_one_stands(make):
    units = [{"unit_id": u, "batch_id": "b", "release_pathway": "bookend"} for u in "uv"]
    study = make(
        patients=patient(),
        units=[*units, {"unit_id": "w", "release_pathway": "bookend"}],
        holds=[
            {"hold_id": "1", "kind": "quarantine", "batch_id": "b", "placed_on": None, "unit_id": None},
            {"hold_id": "2", "kind": "recall", "batch_id": None, "placed_on": on(0), "unit_id": "v"},
        ],
    )
    held = [collected(unit_holds(study, on_day=day_number(on(d))), "unit_id").rows() for d in (-1, 0)]
    assert held == [[("u", "quarantine"), ("v", "quarantine")], [("u", "quarantine"), ("v", "recall")]]


def bank():
    passed = dt.datetime(2024, 3, 1, 8, tzinfo=dt.UTC)
    return {
        "donors": [{"donor_id": "d", "sex": "female", "status": "eligible"}],
        "consents": [
            {
                "consent_id": "c",
                "donor_id": "d",
                "type": "donor_consent",
                "signed_on": on(-9),
                "withdrawn_on": on(9),
            },
        ],
        "screenings": [
            {"result_id": f"r{i}", "donor_id": "d", "analyte": analyte, "specimen": specimen}
            | {"collected_on": on(day)}
            for i, (analyte, specimen, day) in enumerate(
                (
                    ("hiv", "blood", -30),
                    ("hiv", "blood", -4),
                    ("hbv", "blood", -6),
                    ("hbv", "blood", 1),
                    ("tattoo", "questionnaire", -90),
                )
            )
        ],
        "donations": [{"donation_id": "n", "donor_id": "d", "donated_on": on(0), "passed_at": passed}],
        "batches": [{"batch_id": "b", "frozen_at": passed + dt.timedelta(hours=5, minutes=30)}],
        "units": [{"unit_id": "u", "batch_id": "b", "release_pathway": "bookend"}],
        "unit_donors": [{"unit_id": "u", "donor_id": "d", "donation_id": "n"}],
    }


def donation_row(study, day):
    rows = collected(donation_facts(study, on_day=day_number(day)), "unit_id", "donation_id")
    return rows.row(0, named=True)


def test_a_donation_in_a_unit(tmp_path):
    frames = {name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in bank().items()}
    manifest = Manifest(origin="test")
    for study in (
        study_of(frames, manifest=manifest),
        write_study(frames, tmp_path / "s", manifest=manifest),
    ):
        row = donation_row(study, on(5))
        assert row["hours_to_freezer"] == 5.5
        assert row["days_since_opening_screen"] == 6
        assert row["is_first_donation"] is True
        assert row["has_donor_consent"] is True
        assert row["is_menstruating"] is None
        assert row["donor_status"] == "eligible"
    assert donation_row(open_study(tmp_path / "s"), on(9))["has_donor_consent"] is False


@pytest.mark.parametrize(("other", "is_first"), [(on(-1), False), (on(1), True), (None, None)])
def test_a_first_donation_is_unknown_beside_an_undated_one(make, other, is_first):
    tables = bank()
    tables["donations"].append({"donation_id": "m", "donor_id": "d", "donated_on": other})
    assert donation_row(make(**tables), on(5))["is_first_donation"] is is_first


@pytest.mark.parametrize(
    ("answers", "is_menstruating"),
    [
        (["negative"], False),
        (["negative", "positive"], True),
        (["positive", "pending"], None),
        ([None], None),
    ],
)
def test_the_answer_on_menstruation(make, answers, is_menstruating):
    tables = bank()
    asked = {
        "donor_id": "d",
        "donation_id": "n",
        "analyte": "menstruation",
        "specimen": "same_day_questionnaire",
    }
    tables["screenings"] += [
        {**asked, "result_id": f"a{i}", "result": a, "collected_on": on(0)} for i, a in enumerate(answers)
    ]
    assert donation_row(make(**tables), on(5))["is_menstruating"] is is_menstruating


def test_a_recipient_on_a_day(make):
    consent = {"patient_id": "p", "type": "informed_signed", "study_id": "T"}
    study = make(
        patients=patient(born_on=dt.date(2005, 3, 1), indication="uc", anaphylactic_allergens=" None "),
        consents=[{"consent_id": "1", **consent, "signed_on": on(10), "withdrawn_on": on(20)}],
        lab_results=[
            {"lab_result_id": unit, "patient_id": "p", "analyte": "body_mass", "value": value, "unit": unit}
            | {"collected_on": on(day)}
            for unit, value, day in (("kg", 80.0, 5), ("lb", 170.0, 15))
        ],
    )
    told = [
        recipient_facts(study, on_day=day_number(on(d))).collect("polars").to_native().row(0, named=True)
        for d in (4, 12, 20)
    ]
    assert [row["has_treatment_consent"] for row in told] == [None, True, False]
    assert [row["study_id"] for row in told] == [None, "T", None]
    assert [row["body_mass_kilograms"] for row in told] == [None, 80.0, None]
    assert [row["evidence_status"] for row in told] == ["trial_only"] * 3
    assert [row["has_anaphylactic_food_allergy"] for row in told] == [False] * 3


@pytest.mark.parametrize(
    ("facts", "asked"),
    [
        (
            donor_facts,
            {"donor_status", "donor_age_years", "is_minor_donor", "donor_bmi", "has_donor_consent"},
        ),
        (donation_facts, {"is_first_donation", "is_menstruating", "hours_to_freezer", "bristol_type"}),
        (unit_facts, {"days_to_expiry", "shelf_life_days", "hold", "are_parts_known"}),
        (recipient_facts, {"age_at_index_years", "has_treatment_consent", "evidence_status", "study_id"}),
    ],
)
def test_facts_carry_the_names_and_kinds_that_rules_use(make, facts, asked):
    schema = collected(facts(make(patients=patient(), **bank()), on_day=0)).schema
    named = asked | (set(schema) & set(declared_facts()))
    for name in named:
        kind = declared_facts()[name].kind
        matches = {"number": schema[name].is_numeric(), "boolean": schema[name] == pl.Boolean}
        assert matches.get(kind, schema[name] == pl.String), name
