"""A re-plan: options with reasons, harm first, missing records never a no, the future unread."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from commensal.errors import InputError, RefusedError
from commensal.matching.care.axes import Answer, engrafted
from commensal.matching.care.case import Case
from commensal.matching.care.replan import Replan, replan
from commensal.study import RESULTS, Manifest, Study, study_of
from commensal.vocabulary.replanning import replan_rules

INDEX = date(2026, 1, 5)
INDEX_DAY = (INDEX - date(1970, 1, 1)).days
Row = dict[str, Any]


def on(day: int) -> date:
    return INDEX + timedelta(days=day)


def visit(day: int, name: str | None = None, *, status: str = "attended") -> Row:
    return {"visit_id": f"V{day}", "patient_id": "P", "visit": name, "visited_on": on(day), "status": status}


def scores(day: int, instrument: str, **values: float) -> list[Row]:
    return [
        {
            "visit_id": f"V{day}",
            "patient_id": "P",
            "instrument": instrument,
            "item": item,
            "occurrence": 1,
            "value": float(value),
        }
        for item, value in values.items()
    ]


def study(
    *,
    visits: list[Row] | None = None,
    assessments: list[Row] | None = None,
    events: list[Row] | None = None,
    trial: str | None = "T",
    donor: str | None = "D1",
    extra: dict[str, list[Row]] | None = None,
    **patient: Any,
) -> Study:
    """Patient P with IBS, one session on day 0 of donor D1, IBS-SSS 300 at baseline."""
    base = {"patient_id": "P", "arm": "fmt", "indication": "ibs", "index_on": INDEX, "cohort": "prospective"}
    frames: dict[str, list[Row]] = {
        "patients": [{**base, "born_on": date(1980, 1, 1), **patient}],
        "consents": [
            {
                "consent_id": "C",
                "patient_id": "P",
                "type": "informed_signed",
                "signed_on": on(-9),
                "study_id": trial,
            }
        ],
        "courses": [{"course_id": "K", "patient_id": "P", "number": 1, "is_planned_at_index": True}],
        "sessions": [{"session_id": "S", "course_id": "K", "patient_id": "P", "administered_on": INDEX}],
        "session_units": [{"session_id": "S", "unit_id": "U"}],
        "unit_donors": [{"unit_id": "U", "donor_id": donor}] if donor else [],
        "visits": [visit(-3, "SCR"), *(visits if visits is not None else [visit(28, "W4")])],
        "assessments": [*scores(-3, "ibs_sss", total=300), *(assessments or [])],
        "adverse_events": events or [],
        **(extra or {}),
    }
    made = {name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in frames.items() if rows}
    return study_of(made, manifest=Manifest(origin="test"))


def engraftment(**changed: Any) -> pl.DataFrame:
    """One sample of day 27 whose gain stands clear of that of donors not received."""
    row: Row = {
        "subject_id": "P",
        "sample_id": "X27",
        "day": 27,
        "measure": "peds_gained",
        "value": 0.4,
        "lower": 0.3,
        "upper": 0.5,
        "null_mean": 0.1,
        "q": 0.01,
        **changed,
    }
    return pl.DataFrame([row], schema=RESULTS["engraftment"].schema)


NOTHING = RESULTS["engraftment"].schema
EMPTY = pl.DataFrame(schema=NOTHING)
NO_GAIN = {"value": 0.1, "lower": 0.05, "upper": 0.18, "q": 0.7}


def made(base: Study, table: pl.DataFrame = EMPTY, *, day: int = 30, **options: Any) -> Replan:
    given = {"recipient": "P", "on_day": INDEX_DAY + day, "engraftment": table, **options}
    return replan(base, **given)


def better() -> Study:
    return study(assessments=scores(28, "ibs_sss", total=200))


def same() -> Study:
    return study(assessments=scores(28, "ibs_sss", total=290))


def settled(table: pl.DataFrame) -> Answer:
    """The engrafted answer of P on day 30 at week 4, without a study behind it."""
    patient = {"patient_id": "P", "cohort": "prospective"}
    empty = Study(Manifest(origin="test"))
    case = Case(patient, empty, facts={}, index_day=0, today=30, target=28, first=21, last=35)
    return engrafted(case, table, rule=replan_rules().engrafted)


# ---- the two answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "yes"),
        (NO_GAIN, "no"),
        ({"q": 0.2}, "undetermined"),
        ({"lower": 0.05}, "undetermined"),
        ({"value": 0.15, "lower": 0.12, "upper": 0.18}, "undetermined"),
        ({**NO_GAIN, "upper": 0.3}, "undetermined"),
        ({"q": None}, "undetermined"),
        ({"null_mean": None, "reason": "no other donor"}, "undetermined"),
        ({"value": float("nan")}, "undetermined"),
        ({"measure": "peds"}, "undetermined"),
        ({"day": None}, "undetermined"),
        ({"day": 10}, "undetermined"),
        ({"day": 31}, "undetermined"),
        ({"subject_id": "Q"}, "undetermined"),
    ],
)
def test_engrafted_needs_every_figure_and_both_limits(changed: Row, verdict: str):
    found = settled(engraftment(**changed))
    assert found.verdict == verdict
    assert found.because


def test_too_few_donors_to_tell_are_named():
    assert "which 4 donors cannot bring to 0.05" in settled(engraftment(q=0.3, n_null=4)).because
    assert "cannot bring" not in settled(engraftment(q=0.3, n_null=40)).because


def test_a_measure_without_figures_leaves_it_to_the_next():
    table = pl.concat([engraftment(measure="strain_engraftment", q=None), engraftment()])
    assert settled(table).verdict == "yes"
    table = pl.concat([engraftment(measure="strain_engraftment", **NO_GAIN), engraftment()])
    assert settled(table).verdict == "no"


def test_the_sample_closest_to_the_day_decides_and_two_of_one_day_must_agree():
    far = engraftment(sample_id="X22", day=22, **NO_GAIN)
    assert settled(pl.concat([far, engraftment()])).verdict == "yes"
    twin = engraftment(sample_id="X27b", **NO_GAIN)
    found = settled(pl.concat([twin, engraftment()]))
    assert found.verdict == "undetermined"
    assert "disagree" in found.because


@pytest.mark.parametrize(
    ("total", "verdict"), [(200, "yes"), (250, "yes"), (251, "no"), (290, "no"), (None, "undetermined")]
)
def test_responded_by_the_endpoint_of_the_disease(total: float | None, verdict: str):
    told = scores(28, "ibs_sss", total=total) if total is not None else []
    found = made(study(assessments=told)).responded
    assert found.verdict == verdict
    if total is None:
        assert "was not recorded from day 21 to 35" in found.because


def test_without_a_baseline_or_with_quiet_disease_response_is_undetermined():
    quiet = study(assessments=scores(28, "ibs_sss", total=20))
    frames = {**quiet.frames, "assessments": quiet.read("assessments").filter(pl.col("visit_id") != "V-3")}
    assert "not recorded at baseline" in made(Study(quiet.manifest, frames=frames)).responded.because
    calm = pl.DataFrame([*scores(-3, "ibs_sss", total=60), *scores(28, "ibs_sss", total=5)])
    found = made(study_of({**quiet.frames, "assessments": calm}, manifest=quiet.manifest)).responded
    assert found.verdict == "undetermined"
    assert "not active at baseline" in found.because


def test_half_an_instrument_is_no_answer():
    """Mayo without endoscopy can show a failure but no success: it is neither."""
    full = {"stool_frequency": 3, "rectal_bleeding": 2, "endoscopy": 2, "pga": 2}
    half = {"stool_frequency": 3, "rectal_bleeding": 3, "pga": 3}
    base = study(indication="uc", assessments=[*scores(-3, "mayo", **full), *scores(28, "mayo", **half)])
    found = made(base).responded
    assert found.verdict == "undetermined"
    assert "lacks total" in found.because
    whole = [*scores(-3, "mayo", **full), *scores(28, "mayo", **half, endoscopy=2)]
    assert made(study(indication="uc", assessments=whole)).responded.verdict == "no"


@pytest.mark.parametrize(("code", "words"), [("autism", "not defined in autism"), ("ms", "this early")])
def test_where_no_early_endpoint_is_defined_none_is_made_up(code: str, words: str):
    found = made(study(indication=code)).responded
    assert found.verdict == "undetermined"
    assert words in found.because


def test_before_the_week_nothing_is_answered_and_nothing_later_is_looked_at():
    early = made(better(), engraftment(), day=10)
    assert {early.engrafted.verdict, early.responded.verdict} == {"undetermined"}
    assert "window opens on day 21" in early.responded.because
    assert made(better(), engraftment(), day=25).responded.verdict == "undetermined"


@pytest.mark.slow
def test_the_week_can_be_chosen():
    base = study(visits=[visit(60)], assessments=scores(60, "ibs_sss", total=200))
    assert made(base, day=62).responded.verdict == "undetermined"
    assert made(base, day=62, week=8).responded.verdict == "yes"
    assert made(base, day=62, week=8).replan["week"].unique().to_list() == [8]
    assert made(base, day=62, week=9).responded.verdict == "yes"  # no scheduled window: 7 days around day 63
    with pytest.raises(InputError, match="week 0"):
        made(base, week=0)


# ---- the options -----------------------------------------------------------------------------------------


def test_a_settled_donor_without_response_offers_another_donor_and_not_the_same():
    found = made(same(), engraftment())
    assert (found.engrafted.verdict, found.responded.verdict) == ("yes", "no")
    assert set(found.options) == {"observe", "repeat_other_donor", "stop", "refer"}


def test_neither_offers_everything():
    found = made(same(), engraftment(**NO_GAIN))
    wanted = "observe repeat_same_donor repeat_other_donor other_route other_preparation stop refer"
    assert found.options == tuple(wanted.split())
    given = found.replan.filter(pl.col("option") == "repeat_same_donor")["content"][0]
    assert "Given so far: D1." in given


def test_every_option_carries_reason_grade_and_source_and_none_is_signed():
    table = made(same(), engraftment(**NO_GAIN)).tables["replans"]
    assert dict(table.schema) == dict(RESULTS["replans"].schema)
    for column in ("because", "evidence_grade", "source", "content", "statement"):
        assert table[column].null_count() == 0
    assert not table["is_signed"].any()
    assert "no order of preference" in table["statement"][0]


def test_a_response_offers_no_change():
    assert made(better(), engraftment(**NO_GAIN)).options == ("observe", "stop")
    assert made(better(), engraftment()).options == ("observe", "repeat_same_donor", "stop")


def test_outside_a_study_no_material_is_offered():
    base = study(trial=None, assessments=scores(28, "ibs_sss", total=290))
    found = made(base, engraftment(**NO_GAIN))
    assert set(found.options) == {"observe", "stop", "refer"}
    assert "no study id is recorded" in found.replan["statement"][0]
    assert "repeat_other_donor" in made(base, engraftment(**NO_GAIN), study_id="T2").options


def test_a_consent_withdrawn_later_still_stands_today():
    base = same()
    consents = base.read("consents").with_columns(withdrawn_day=pl.lit(INDEX_DAY + 40, dtype=pl.Int32))
    held = Study(base.manifest, frames={**base.frames, "consents": consents})
    assert "repeat_other_donor" in made(held, engraftment(**NO_GAIN), day=30).options
    assert "repeat_other_donor" not in made(held, engraftment(**NO_GAIN), day=41).options


def test_an_unknown_donor_cannot_be_repeated():
    base = study(donor=None, assessments=scores(28, "ibs_sss", total=290))
    found = made(base, engraftment(**NO_GAIN))
    assert "repeat_same_donor" not in found.options
    assert any("donor is not on record" in word for word in found.withheld)


def event(**changed: Any) -> Row:
    return {
        "adverse_event_id": "E1",
        "patient_id": "P",
        "session_id": "S",
        "term": "ae15",
        "began_on": on(6),
        "grade": 3,
        "is_serious": True,
        "causality": "probable",
        "related_to": "microbiota",
        **changed,
    }


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"is_serious": False},
        {"causality": None},
        {"grade": None, "is_serious": None},
        {"began_on": None},
        {"related_to": None, "causality": "unassessable"},
    ],
)
def test_a_suspected_harm_leads_and_no_material_is_offered(changed: Row):
    base = study(assessments=scores(28, "ibs_sss", total=290), events=[event(**changed)])
    found = made(base, engraftment(**NO_GAIN))
    assert set(found.options[:2]) == {"refer", "stop"}
    assert set(found.options) == {"refer", "stop", "observe"}
    assert "E1" in found.replan["because"][0]
    assert any("judged first" in word for word in found.withheld)


@pytest.mark.parametrize(
    "changed",
    [
        {"causality": "unlikely"},
        {"related_to": "disease"},
        {"grade": 1, "is_serious": False},
        {"began_on": on(-5)},
        {"began_on": on(31)},
    ],
)
def test_what_is_no_suspected_harm_does_not_lead(changed: Row):
    base = study(assessments=scores(28, "ibs_sss", total=290), events=[event(**changed)])
    assert made(base, engraftment(**NO_GAIN)).options[0] == "observe"


def test_a_withdrawal_ends_it():
    left = {"disposition_id": "X", "patient_id": "P", "kind": "withdrawal", "occurred_on": on(20)}
    base = study(assessments=scores(28, "ibs_sss", total=290), extra={"dispositions": [left]})
    assert made(base, engraftment()).options == ("stop", "refer")


# ---- C. difficile infection ------------------------------------------------------------------------------


def cdi(**options: Any) -> Study:
    return study(indication="rcdi", trial=None, **options)


def recurrence(day: int | None) -> Row:
    return event(
        term="ae18",
        began_on=None if day is None else on(day),
        causality=None,
        related_to="disease",
        is_serious=None,
        grade=None,
    )


def test_a_recurrence_is_retreated_without_waiting():
    found = made(cdi(events=[recurrence(20)]))
    assert found.responded.verdict == "no"
    assert set(found.options) == {"retreat_now", "other_route", "refer"}
    now = found.replan.filter(pl.col("option") == "retreat_now")["content"][0]
    assert "does not wait for sequencing" in now
    assert found.engrafted.because.startswith("Not read")


@pytest.mark.parametrize(
    ("visits", "day", "verdict"),
    [
        ([visit(28)], 30, "undetermined"),
        ([visit(28)], 90, "undetermined"),
        ([visit(55)], 60, "undetermined"),
        ([visit(56)], 60, "yes"),
        ([visit(60, status="missed")], 70, "undetermined"),
    ],
)
def test_cure_needs_56_days_and_a_contact(visits: list[Row], day: int, verdict: str):
    found = made(cdi(visits=visits), day=day)
    assert found.responded.verdict == verdict
    assert ("retreat_now" in found.options) == (verdict == "undetermined")


def test_a_late_recurrence_is_a_recurrence_and_an_undated_one_is_no_cure():
    late = made(cdi(visits=[visit(60)], events=[recurrence(80)]), day=85)
    assert late.responded.verdict == "no"
    assert "late" in late.responded.because
    undated = made(cdi(visits=[visit(60)], events=[recurrence(None)]), day=85)
    assert undated.responded.verdict == "undetermined"
    assert made(cdi(visits=[visit(60)], events=[recurrence(80)]), day=70).responded.verdict == "yes"


def test_a_recurrence_found_at_a_visit_counts_and_a_gene_test_alone_does_not():
    sick = {"unformed_stools_24h": 5, "days_unformed": 3, "toxin_positive": 1, "treatment_needed": 1}
    told = scores(28, "rcdi_recurrence", **sick)
    assert made(cdi(assessments=told)).responded.verdict == "no"
    carried = scores(28, "rcdi_recurrence", **{**sick, "toxin_positive": 0, "pcr_only_positive": 1})
    assert made(cdi(assessments=carried)).responded.verdict == "undetermined"


def test_a_recurrence_before_the_last_session_was_treated_by_it():
    again = {"session_id": "S2", "course_id": "K", "patient_id": "P", "administered_on": on(22)}
    base = cdi(visits=[visit(80)], events=[recurrence(20)])
    sessions = pl.concat([base.read("sessions"), _conformed("sessions", again)])
    treated = Study(base.manifest, frames={**base.frames, "sessions": sessions})
    assert made(treated, day=82).responded.verdict == "yes"


def _conformed(table: str, row: Row) -> pl.DataFrame:
    return study_of({table: pl.DataFrame([row])}, manifest=Manifest(origin="t")).read(table)


def test_rescue_treatment_is_a_failure():
    rescue = {
        "exposure_id": "R",
        "patient_id": "P",
        "exposure": "antibiotic",
        "started_on": on(18),
        "is_rescue": True,
    }
    found = made(cdi(extra={"exposures": [rescue]}))
    assert found.responded.verdict == "no"
    assert "rescue" in found.responded.because


def test_a_harm_in_cdi_leads_but_does_not_take_retreatment_away():
    found = made(cdi(events=[recurrence(20), event(adverse_event_id="E2")]))
    assert set(found.options[:2]) == {"refer", "stop"}
    assert "retreat_now" in found.options
    assert "other_route" not in found.options
    text = found.replan.filter(pl.col("option") == "retreat_now")["because"][0]
    assert "donors given so far are not used" in text


# ---- refusals and bytes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patient", "match"),
    [
        ({"index_on": None}, "index day"),
        ({"indication": None}, "not recorded"),
        ({"indication": "fgid"}, "group"),
        ({"arm": "placebo"}, "no donor material"),
    ],
)
def test_a_patient_without_a_replan_is_refused(patient: Row, match: str):
    with pytest.raises(RefusedError, match=match):
        made(study(**patient))


def test_before_the_first_session_and_after_death_there_is_none():
    with pytest.raises(RefusedError, match="no donor material"):
        made(study(), day=-1)
    died = {"disposition_id": "X", "patient_id": "P", "kind": "death", "occurred_on": on(20)}
    with pytest.raises(RefusedError, match="died"):
        made(study(extra={"dispositions": [died]}))


def test_bad_input_is_a_clear_error():
    with pytest.raises(InputError, match="no patient"):
        made(study(), recipient="Q")
    with pytest.raises(InputError, match="no column"):
        made(study(), pl.DataFrame({"subject_id": ["P"]}))


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes_and_others_another_name():
    first, again = made(same(), engraftment()), made(same(), engraftment())
    assert first.replan.write_csv() == again.replan.write_csv()
    others = [made(same(), engraftment(value=0.41)), made(same(), engraftment(), day=31), made(better())]
    assert len({first.replan_id, *(other.replan_id for other in others)}) == 4
