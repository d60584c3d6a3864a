"""Safety in detail: zeros are shown, faults are told, late events stand beside what was expected."""

import functools

import polars as pl
import pytest

from commensal.errors import InputError
from commensal.evidence.ground import ground_of
from commensal.evidence.safety import Settings, safety
from commensal.evidence.safety.detail import details
from commensal.evidence.safety.late import person_years_in
from commensal.evidence.safety.records import Window, records_of_safety
from commensal.study import Manifest, study_of
from commensal.study.results import RESULTS
from commensal.vocabulary.adverse_events import adverse_events

pytestmark = pytest.mark.slow

N = 24
NAMES = [f"p{i:02}" for i in range(N)]
PATIENTS = pl.DataFrame(
    {
        "patient_id": NAMES,
        "arm": ["fmt"] * N,
        "indication": ["uc"] * N,
        "sex": ["female", "male"] * (N // 2),
        "born_on": [None] * N,
        "index_day": [0] * N,
    }
).drop("born_on")
SESSIONS = pl.DataFrame(
    {
        "session_id": [f"s{i:02}" for i in range(N)],
        "patient_id": NAMES,
        "administered_day": [0] * N,
        "route": ["colonoscopy", "nasojejunal"] * (N // 2),
    }
)
VISITS = pl.DataFrame(
    {
        "visit_id": [f"v{i:02}" for i in range(N)],
        "patient_id": NAMES,
        "visited_day": [1000] * N,
        "status": ["attended"] * N,
    }
)
DEATHS = pl.DataFrame(
    {"disposition_id": ["d"], "patient_id": ["p23"], "kind": ["death"], "occurred_day": [300]}
)


def events(rows):
    names = ["patient_id", "term", "began_day", "grade", "is_serious", "causality", "related_to"]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    return frame.with_columns(adverse_event_id=pl.format("e{}", pl.int_range(pl.len())))


EVENTS = events(
    [
        ("p00", "ae01", 1, 1, False, "possible", "microbiota"),
        ("p00", "ae02", 40, 2, False, "unlikely", "disease"),
        ("p01", "ae12", 2, 4, True, "probable", "delivery"),
        ("p02", "ae20", 400, 2, False, "possible", "microbiota"),
        ("p03", "ae15", None, 3, True, None, None),
        ("p23", "ae01", 310, 1, False, "possible", "microbiota"),
        ("p04", "ae01", -5, 1, False, "possible", "microbiota"),
    ]
)


def ground(adverse=EVENTS, **tables):
    frames = {
        "patients": PATIENTS,
        "sessions": SESSIONS,
        "visits": VISITS.filter(pl.col("patient_id") != "p23"),
        "dispositions": DEATHS,
        "adverse_events": adverse,
    } | tables
    manifest = Manifest(origin="test", clock="patient", data_cut_day=1100)
    return ground_of(study_of(frames, manifest=manifest), landmarks=["M3", "Y1", "Y5"])


def pick(rows, **cells):
    for column, value in cells.items():
        rows = rows.filter(pl.col(column).eq_missing(pl.lit(value)))
    assert rows.height == 1, rows
    return rows.to_dicts()[0]


@functools.cache
def usual():
    return safety(ground(), level=0.95, seed=1)


def whole(adverse=EVENTS, settings=None, **tables):
    return safety(ground(adverse, **tables), settings=settings, level=0.95, seed=1)


def test_every_term_of_the_list_has_its_rows_and_zero_has_a_limit():
    g = ground()
    rows = details(records_of_safety(g.study, g.cohort, window=Window()), level=0.95)
    terms = rows.filter(pl.col("group_variable") == "term")
    assert set(terms["group_level"]) == {*adverse_events().codes, "not recorded"}
    none = pick(terms, group_level="ae16", unit="per_patient")
    assert (none["n_events"], none["estimate"], none["n"]) == (0, 0, N)
    assert none["upper"] == pytest.approx(1 - 0.025 ** (1 / N))
    assert "no event: among 24 patients at most 12 %" in none["reason"]


def test_grades_are_counted_each_and_the_highest_is_not_hidden():
    rows = usual()["estimates"].filter(pl.col("group_variable") == "grade")
    found = {
        level: pick(rows, group_level=level, unit="per_patient")["n_events"]
        for level in ("1", "2", "3", "4", "5", "not recorded")
    }
    # Grade 3 is the undated event: it lies in no window, and the row says so.
    assert found == {"1": 1, "2": 1, "3": 0, "4": 1, "5": 0, "not recorded": 0}
    assert "1 events without a date" in pick(rows, group_level="3", unit="per_patient")["reason"]


def test_events_after_death_or_before_index_are_counted_told_and_not_used():
    rows = usual()["estimates"]
    found = pick(rows, endpoint="adverse_event", unit="per_100_person_years", method="exact Poisson",
                 group_variable="all", estimand="every event from index to the last day known, death, "
                 "withdrawal or data cut")  # fmt: skip
    assert found["n_events"] == 4
    for words in (
        "1 events dated after death (not used)",
        "1 events without a date",
        "1 events dated before",
    ):
        assert words in found["reason"]


def test_the_mean_count_is_read_at_landmarks_and_refused_past_follow_up():
    rows = usual()["estimates"].filter(pl.col("unit") == "events_per_patient")
    first = pick(rows, endpoint="adverse_event", landmark="M3")
    assert first["estimate"] == pytest.approx(3 / N)
    assert first["lower"] < first["estimate"] < first["upper"]
    late = pick(rows, endpoint="adverse_event", landmark="Y5")
    assert (late["estimate"], late["reason"].split(";")[0]) == (None, "nobody was followed to this day")


def test_the_first_serious_event_competes_with_death():
    tables = usual()
    found = pick(tables["estimates"], endpoint="first_serious_adverse_event", landmark="Y1")
    assert (found["estimate"], found["n_events"]) == (pytest.approx(1 / N), 1)
    assert pick(tables["estimates"], endpoint="death", landmark="Y1")["estimate"] == pytest.approx(1 / N)
    assert set(tables["curves"]["event"]) == {"serious_adverse_event", "death"}


def test_deaths_are_counted_where_no_adverse_events_are_recorded():
    rows = whole(EVENTS.clear())["estimates"]
    assert pick(rows, endpoint="death")["n_events"] == 1
    assert "no evidence that there were none" in pick(rows, endpoint="adverse_event")["reason"]


def test_follow_up_before_a_consent_after_index_holds_no_death():
    consent = pl.DataFrame(
        {"consent_id": ["c"], "patient_id": ["p00"], "type": ["data_use_signed"], "signed_day": [500]}
    )
    plain, late = (pick(whole(**t)["estimates"], endpoint="death", landmark=None)
                   for t in ({}, {"consents": consent}))  # fmt: skip
    assert late["estimate"] == pytest.approx(plain["estimate"] * 23300 / 22800)
    assert "1 patients are observed from a consent after index" in late["reason"]


AGED = PATIENTS.with_columns(born_day=pl.lit(-40 * 365 - 10))
RATES = (
    {"term": "ae20", "sex": "female", "age_from": 0, "age_to": 41, "per_100000_person_years": 1000,
     "source": "registry 2020"},
    {"term": "ae20", "sex": "female", "age_from": 41, "age_to": 120, "per_100000_person_years": 3000,
     "source": "registry 2020"},
    {"term": "ae20", "sex": "male", "age_from": 0, "age_to": 120, "per_100000_person_years": 500,
     "source": "registry 2020"},
)  # fmt: skip


def test_new_disease_stands_beside_the_expected_by_age_and_sex():
    rows = whole(settings=Settings(reference_rates=RATES), patients=AGED)["estimates"]
    found = pick(rows, endpoint="new_onset_disease", unit="ratio")
    year = 365.25
    # Women: p02 until its event on day 400, eleven others for 1000 days, all turning 41 after a year.
    # Men: p23 until its death, eleven others.
    women = (12 * year * 1000 + (400 - year + 11 * (1000 - year)) * 3000) / year
    men = (11 * 1000 + 300) * 500 / year
    assert found["estimate"] == pytest.approx(1 / ((women + men) / 1e5))
    assert (found["n_events"], found["reference"]) == (1, "registry 2020")


def test_rates_that_leave_out_or_repeat_patients_give_no_ratio():
    for rates in (RATES[:2], (*RATES, RATES[2])):
        rows = whole(settings=Settings(reference_rates=rates), patients=AGED)["estimates"]
        found = pick(rows, endpoint="new_onset_disease", unit="ratio")
        assert found["estimate"] is None
        assert "leave out or repeat" in found["reason"]


def test_without_rates_a_row_says_so():
    found = pick(usual()["estimates"], endpoint="new_onset_disease", unit="ratio")
    assert "no reference rates were given" in found["reason"]


def test_time_is_split_at_the_ages_of_the_rates():
    who = pl.DataFrame(
        {"age_at_index_years": [40], "sex": ["male"], "first_day": [None], "end_day": [3652]},
        schema_overrides={"first_day": pl.Int64},
    )
    bands = [
        {"sex": "all", "age_from": a, "age_to": b, "per_100000_person_years": 1}
        for a, b in [(0, 45), (45, 99)]
    ]
    years, parts = person_years_in(who, bands)
    assert parts.sum() == pytest.approx(years)
    assert parts[0] == pytest.approx(5)


def test_routes_are_compared_as_an_association_or_refused_with_counts():
    many = events(
        [(name, "ae01", 1, 1, False, "possible", "microbiota") for name in NAMES[:18]]
        + [(name, "ae02", 2, 1, False, "possible", "microbiota") for name in NAMES[1:12:2]]
    )
    rows = whole(many)["effects"]
    found = pick(rows, model="route_events_per_procedure", endpoint="adverse_event")
    assert "an association" in found["reason"]
    # 9 events in 12 colonoscopies; 9 + 6 in 12 procedures by tube (the reference is the first of equals).
    assert abs(found["estimate"]) == pytest.approx(0.5108256)
    none = pick(rows, model="route_events_per_procedure", endpoint="serious_adverse_event")
    assert none["estimate"] is None
    assert none["reason"]


def test_all_rows_have_a_key_of_their_own_and_do_not_change_with_row_order():
    one = usual()
    two = whole(
        EVENTS.reverse(), patients=PATIENTS.reverse(), sessions=SESSIONS.reverse(),
        visits=VISITS.filter(pl.col("patient_id") != "p23").reverse(),
    )  # fmt: skip
    for name, rows in one.items():
        assert rows.equals(two[name]), name
        assert not rows.select(list(RESULTS[name].key)).is_duplicated().any(), name
        values = [c for c, kind in rows.schema.items() if kind.is_float()]
        assert not any(rows[c].is_nan().any() for c in values)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"late_from_day": 0}, "late_from_day is 0"),
        ({"adjusted_for": ("n_sessions",)}, "measured after index"),
        ({"reference_rates": ({"term": "ae20"},)}, "reference rate 1 has no sex"),
        ({"reference_rates": ({**RATES[0], "sex": "f"},)}, "sex is 'f'"),
        ({"reference_rates": ({**RATES[0], "age_to": 0},)}, "ages 0 to 0"),
    ],
)
def test_impossible_settings_are_refused(setting, words):
    with pytest.raises(InputError, match=words):
        Settings(**setting)
