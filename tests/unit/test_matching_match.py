"""A match run: each gate can stop a lot, unknown never passes, the order is explained and uncertain."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from commensal.errors import InputError, RefusedError, SafetyError
from commensal.matching import MatchRun, match
from commensal.matching.gates import recipient_rules
from commensal.study import RESULTS, Manifest, Study, study_of
from commensal.vocabulary import Route, find_fact
from commensal.vocabulary.screening import screening_profile

EPOCH = date(1970, 1, 1)
DONATED = date(2026, 3, 2)
TODAY = DONATED + timedelta(days=70)
ON_DAY = (TODAY - EPOCH).days
STRICT = screening_profile("STRICT", on=DONATED)

Row = dict[str, Any]


def clear_answers() -> Row:
    """An answer that no rule objects to, to every question that no table holds."""
    numbers = {"neutrophils_per_mm3": 4000.0, "lymphocytes_per_mm3": 1500.0, "bmi": 22.0,
               "prednisone_milligrams_per_day": 0.0, "weeks_on_prednisone": 0.0,
               "albumin_grams_per_litre": 40.0, "enteral_calories_percent": 100.0,
               "n_cdi_recurrences": 2.0, "hours_since_antibiotic": 48.0,
               "days_on_cdi_antibiotic": 10.0}  # fmt: skip
    yes = {"is_bowel_prepared", "has_negative_pregnancy_test", "has_baseline_tests", "has_gut_symptoms",
           "has_baseline_samples_stored", "has_failed_conventional_therapy", "has_cdi_risk_factors",
           "can_swallow_test_capsule"}  # fmt: skip
    held = {"has_treatment_consent", "has_guardian_permission", "has_anaphylactic_food_allergy"}
    asked = {f for rule in recipient_rules(route=Route("colonoscopy"), on=None) for f in rule.facts}
    questions = {f for f in asked - held if find_fact(f).kind == "boolean"}
    return {**numbers, **{f: f in yes for f in questions}}


CLEAR = clear_answers()


def panel(donor: str) -> list[Row]:
    """Negative results before and after the donation, for all that STRICT asks."""
    rows = []
    for need in STRICT.requirements:
        days = range(need.n_separate_days)
        collected = [DONATED - timedelta(days=1 + n) for n in days] + [
            DONATED + timedelta(days=57 - n) for n in days
        ]
        rows += [
            {
                "result_id": f"{donor}-{need.analyte}-{i}",
                "donor_id": donor,
                "analyte": need.analyte,
                "specimen": need.specimens[0],
                "method": "NAAT" if need.needs_nucleic_acid_test else None,
                "result": "negative",
                "collected_on": day,
            }
            for i, day in enumerate(collected)
        ]
    return rows


PANELS = {donor: panel(donor) for donor in ("D1", "D2", "D3", "D4")}


def tables(*, donors: tuple[str, ...] = ("D1",)) -> dict[str, list[Row]]:
    """One released lot of each donor, L1 of D1 and so on, and patient P with UC in a trial."""
    lots = {f"L{d[1:]}": d for d in donors}
    return {
        "patients": [
            {
                "patient_id": "P",
                "arm": "fmt",
                "indication": "uc",
                "born_on": date(1980, 1, 1),
                "immunocompromise": "none",
                "cmv_igg": "positive",
                "ebv_igg": "positive",
                "anaphylactic_allergens": "none",
            }
        ],
        "consents": [
            {
                "consent_id": "C",
                "patient_id": "P",
                "type": "informed_signed",
                "signed_on": TODAY - timedelta(days=5),
                "study_id": "TRIAL-1",
            }
        ],
        "donors": [
            {
                "donor_id": d,
                "kind": "universal",
                "cmv_igg": "negative",
                "ebv_igg": "negative",
                "recent_foods": "none",
            }
            for d in donors
        ],
        "screenings": [row for d in donors for row in PANELS[d]],
        "donations": [{"donation_id": f"N-{d}", "donor_id": d, "donated_on": DONATED} for d in donors],
        "units": [
            {
                "unit_id": lot,
                "batch_id": f"B-{lot}",
                "product": "frozen_suspension",
                "release_pathway": "bookend",
                "dose_grams": 50.0,
                "produced_on": DONATED,
                "expires_on": DONATED + timedelta(days=180),
            }
            for lot in lots
        ],
        "unit_donors": [{"unit_id": lot, "donor_id": d, "donation_id": f"N-{d}"} for lot, d in lots.items()],
        "custody": [
            {"event_id": f"{lot}-{n}", "unit_id": lot, "sequence": n, "event": event, "occurred_on": DONATED}
            for lot in lots
            for n, event in enumerate(("collected", "processed", "frozen", "stored", "released"), start=1)
        ],
    }


def of(frames: dict[str, list[Row]]) -> Study:
    made = {name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in frames.items() if rows}
    return study_of(made, manifest=Manifest(origin="test"))


def changed(table: str, **columns: Any) -> dict[str, list[Row]]:
    frames = tables()
    frames[table] = [{**row, **columns} for row in frames[table]]
    return frames


def ran(frames: dict[str, list[Row]], **options: Any) -> MatchRun:
    usual = {"recipient": "P", "on_day": ON_DAY, "route": "colonoscopy", "answers": CLEAR}
    return match(of(frames), **{**usual, **options})


def failed(frames: dict[str, list[Row]], **options: Any) -> set[str]:
    row = ran(frames, **options).rankings.row(0, named=True)
    assert row["is_eligible"] == (not row["failed_rules"])
    return set((row["failed_rules"] or "").split(";")) - {""}


def test_a_lot_that_meets_every_gate_is_ranked_with_its_reasons() -> None:
    run = ran(tables())
    row = run.rankings.row(0, named=True)
    assert row["is_eligible"]
    assert (row["rank"], row["band"], row["failed_rules"]) == (1, "1", None)
    assert "freshness" in row["explanation"]
    assert "left out: complementarity" in row["reason"]
    assert run.match_run.select("n_candidates", "n_eligible").row(0) == (1, 1)
    assert "does not order treatment" in run.match_run["statement"][0]
    for name, frame in run.tables.items():
        assert frame.schema == pl.Schema(RESULTS[name].schema)


@pytest.mark.parametrize(
    ("table", "columns", "rule"),
    [
        ("units", {"expires_on": TODAY - timedelta(days=1)}, "GATE03"),
        ("units", {"expires_on": None}, "GATE03"),
        ("donors", {"kind": "directed"}, "GATE13"),
        ("donors", {"kind": None}, "GATE13"),
        ("donors", {"kind": "directed", "patient_id": "P"}, "GATE14"),
        ("donors", {"kind": "autologous", "patient_id": "Q"}, "GATE22"),
        ("patients", {"anaphylactic_allergens": None}, "GATE05"),
        ("patients", {"born_on": None}, "GATE23"),
        ("patients", {"immunocompromise": "severe"}, "REC05"),
        ("patients", {"immunocompromise": None}, "REC05"),
        ("consents", {"withdrawn_on": TODAY}, "REC18"),
        ("consents", {"type": "data_use_signed"}, "REC18"),
        ("consents", {"signed_on": TODAY + timedelta(days=1)}, "REC18"),
        ("consents", {"study_id": None}, "REC19"),
        ("unit_donors", {"donation_id": "N-unknown"}, "GATE04"),
        ("unit_donors", {"donation_id": None}, "GATE04"),
    ],
)
def test_each_gate_stops_a_lot(table: str, columns: Row, rule: str) -> None:
    frames = changed(table, **columns)
    if table == "patients" and "anaphylactic_allergens" in columns:
        frames["donors"] = [{**row, "recent_foods": None} for row in frames["donors"]]
    assert rule in failed(frames)


def test_a_lot_that_is_not_released_or_has_no_record() -> None:
    frames = tables()
    frames["custody"] = frames["custody"][:-1]
    assert {"GATE01", "GATE27"} <= failed(frames)
    frames["custody"] = []
    row = ran(frames).rankings.row(0, named=True)
    assert "GATE01" in row["failed_rules"]
    assert "Undetermined, so not eligible" in row["explanation"]


def test_an_unknown_indication_outside_a_study_is_not_treated() -> None:
    frames = changed("patients", indication=None)
    frames["consents"][0]["study_id"] = None
    assert failed(frames) == {"REC19"}
    assert failed(frames, study_id="TRIAL-2") == set()


def test_a_hold_on_the_donor_stops_the_lot() -> None:
    frames = tables()
    frames["holds"] = [{"hold_id": "H", "kind": "quarantine", "donor_id": "D1", "placed_on": TODAY}]
    assert failed(frames) == {"GATE02"}
    frames["holds"][0]["lifted_on"] = TODAY
    assert failed(frames) == set()


@pytest.mark.parametrize(
    ("change", "is_stopped"),
    [
        ({"result": "positive"}, True),
        ({"result": "equivocal"}, True),
        ({"result": "pending"}, False),
        ({"result": "positive", "is_resolved": True}, False),
    ],
)
def test_a_late_result_of_a_donor(change: Row, is_stopped: bool) -> None:
    frames = tables()
    late = {**frames["screenings"][0], "result_id": "late", "collected_on": TODAY, **change}
    frames["screenings"] = [*frames["screenings"], late]
    assert ("GATE04" in failed(frames)) == is_stopped


@pytest.mark.parametrize("result", ["pending", "invalid", None])
def test_a_screen_without_an_answer_is_not_a_negative(result: str | None) -> None:
    frames = tables()
    frames["screenings"] = [
        {**row, "result": result} if row["result_id"] == "D1-esbl-1" else row for row in frames["screenings"]
    ]
    assert failed(frames) == {"GATE04"}


def test_a_missing_analyte_is_not_a_negative() -> None:
    frames = tables()
    frames["screenings"] = [row for row in frames["screenings"] if row["analyte"] != "esbl"]
    assert failed(frames) == {"GATE04"}
    assert "D1: esbl: no valid opening screen" in ran(frames).rankings["explanation"][0]


def test_a_donor_without_any_screen_has_a_short_explanation() -> None:
    words = ran({**tables(), "screenings": []}).rankings["explanation"][0]
    assert f"and {len(STRICT.requirements) - 5} more" in words


@pytest.mark.parametrize(
    ("immunocompromise", "recipient", "donor", "is_stopped"),
    [
        ("mild_moderate", "negative", "positive", True),
        ("mild_moderate", None, "positive", True),
        ("mild_moderate", "negative", None, False),
        ("mild_moderate", "positive", "positive", False),
        ("none", "negative", "positive", False),
    ],
)
def test_serostatus_is_a_gate_only_for_the_immunocompromised(
    immunocompromise: str, recipient: str | None, donor: str | None, is_stopped: bool
) -> None:
    frames = changed("patients", immunocompromise=immunocompromise, cmv_igg=recipient)
    frames["donors"] = [{**row, "cmv_igg": donor} for row in frames["donors"]]
    assert ("GATE06" in failed(frames)) == is_stopped
    if immunocompromise == "none":
        assert "Caution" in ran(frames).rankings["explanation"][0]


def test_an_unknown_donor_status_stops_where_it_matters() -> None:
    frames = changed("patients", immunocompromise="mild_moderate", cmv_igg=None)
    frames["donors"] = [{**row, "cmv_igg": None} for row in frames["donors"]]
    frames["screenings"] = [row for row in frames["screenings"] if row["analyte"] != "cmv_igg"]
    assert "GATE06" in failed(frames)


def test_an_allergen_in_the_donor_stops_the_lot() -> None:
    frames = changed("patients", anaphylactic_allergens="Peanut; egg")
    assert failed(frames) == set()
    frames["donors"] = [{**row, "recent_foods": "milk;peanut"} for row in frames["donors"]]
    assert failed(frames) == {"GATE05"}


def reaction(**event: Any) -> dict[str, list[Row]]:
    frames = tables()
    frames["sessions"] = [{"session_id": "S", "patient_id": "P", "administered_on": DONATED}]
    frames["units"].append({"unit_id": "L0", "release_pathway": "historical"})
    frames["unit_donors"].append({"unit_id": "L0", "donor_id": "D1", "donation_id": None})
    frames["session_units"] = [{"session_id": "S", "unit_id": "L0"}]
    base = {"adverse_event_id": "A", "patient_id": "P", "session_id": "S", "began_on": DONATED}
    frames["adverse_events"] = [{**base, "grade": 3, "is_serious": None, "causality": "possible", **event}]
    return frames


@pytest.mark.parametrize(
    ("event", "is_stopped"),
    [
        ({}, True),
        ({"session_id": None}, True),
        ({"causality": None}, True),
        ({"grade": None}, True),
        ({"grade": 1, "is_serious": True}, True),
        ({"grade": 2}, False),
        ({"causality": "unlikely"}, False),
        ({"related_to": "delivery"}, False),
        ({"began_on": TODAY + timedelta(days=1)}, False),
    ],
)
def test_a_reaction_to_the_donor_stops_the_lot(event: Row, is_stopped: bool) -> None:
    assert ("GATE10" in failed(reaction(**event))) == is_stopped


@pytest.mark.slow
def test_routes() -> None:
    assert failed(tables(), route="colonoscopy") == set()
    assert failed(tables(), route="oral_capsule_frozen") == {"GATE11"}
    frames = tables()
    frames["screenings"] = [
        {**row, "result": "positive"} if row["analyte"] == "helicobacter_pylori" else row
        for row in frames["screenings"]
    ]
    assert failed(frames, route="colonoscopy") == set()
    assert failed(frames, route="nasojejunal") == {"GATE12"}
    for text in ("intravenous", "IV", "静脉"):
        with pytest.raises(SafetyError):
            ran(tables(), route=text)
    with pytest.raises(InputError):
        ran(tables(), route="oral")


def test_historical_and_used_material_is_no_candidate() -> None:
    assert ran(changed("units", release_pathway="historical")).rankings.is_empty()
    frames = tables()
    given = {"sequence": 6, "occurred_on": TODAY, "patient_id": "Q"}
    frames["custody"].append({**frames["custody"][0], "event_id": "x", "event": "issued", **given})
    assert ran(frames).rankings.is_empty()


@pytest.mark.slow
def test_a_reservation_is_for_its_patient_only() -> None:
    frames = tables()
    reserved = {"event_id": "x", "sequence": 6, "event": "reserved", "occurred_on": TODAY}
    frames["custody"].append({**frames["custody"][0], **reserved, "patient_id": "P"})
    assert failed(frames) == set()
    frames["custody"][-1]["patient_id"] = "Q"
    row = ran(frames).rankings.row(0, named=True)
    assert row["failed_rules"] == "GATE30"
    assert "reserved for Q" not in row["explanation"]
    frames["donors"] = [{**d, "kind": "directed"} for d in frames["donors"]]
    frames["custody"][-1]["patient_id"] = "P"
    assert failed(frames) == set()


def test_autologous_material_goes_back_to_its_patient() -> None:
    frames = changed("donors", kind="autologous", patient_id="P")
    assert failed(frames) == set()


def test_in_rcdi_any_eligible_donor_will_do() -> None:
    frames = tables(donors=("D1", "D2"))
    frames["patients"][0]["indication"] = "rcdi"
    frames["consents"][0]["study_id"] = None
    rankings = ran(frames).rankings
    assert rankings["rank"].to_list() == [1, 1]
    assert rankings["score"].to_list() == [None, None]
    assert all("any eligible donor" in reason for reason in rankings["reason"])


def with_profiles(donors: tuple[str, ...], taxa: dict[str, str], recipient: str) -> dict[str, list[Row]]:
    """Lots of donors whose stool holds the taxa named by letters; the recipient's holds ``recipient``."""
    frames = tables(donors=donors)
    frames["samples"] = [{"sample_id": f"s-{d}", "donor_id": d, "collected_on": DONATED} for d in taxa]
    frames["samples"].append({"sample_id": "s-P", "patient_id": "P", "collected_on": DONATED})
    held = {**{f"s-{d}": letters for d, letters in taxa.items()}, "s-P": recipient}
    frames["abundances"] = [
        {"sample_id": s, "taxon_id": t, "count": 100} for s, letters in held.items() for t in letters
    ]
    return frames


COMMON = "abcdefghijklmnopqrstuvwxyz"


def test_the_donor_who_holds_what_the_recipient_lacks_comes_first() -> None:
    taxa = {"D1": COMMON[:16], "D2": COMMON, "D3": COMMON, "D4": "yz"}
    rankings = ran(with_profiles(("D1", "D2", "D3", "D4"), taxa, "yz")).rankings
    assert rankings["donor_id"].to_list() == ["D2", "D3", "D1", "D4"]
    assert rankings["rank"].to_list() == [1, 1, 1, 4]
    assert rankings["band"].to_list()[:2] == ["1", "1"]
    assert rankings["band"].to_list()[3] != "1"
    assert "holds 24.0 of 24 common donor taxa the recipient lacks" in rankings["explanation"][0]
    inside = rankings.select(
        (pl.col("lower") <= pl.col("score")) & (pl.col("score") <= pl.col("upper"))
    ).to_series()
    assert inside.all()


def test_like_donors_are_not_told_apart() -> None:
    taxa = {"D1": COMMON[:25], "D2": COMMON[1:], "D3": COMMON}
    rankings = ran(with_profiles(("D1", "D2", "D3"), taxa, "")).rankings
    assert set(rankings["band"]) == {"1"}
    assert all("no credible difference from 2 other donors" in reason for reason in rankings["reason"])


def test_a_lot_without_a_profile_is_eligible_and_cannot_be_told() -> None:
    taxa = {"D1": COMMON, "D2": COMMON, "D3": COMMON}
    rankings = ran(with_profiles(("D1", "D2", "D3", "D4"), taxa, "a")).rankings
    last = rankings.row(by_predicate=pl.col("donor_id") == "D4", named=True)
    assert (last["is_eligible"], last["rank"], last["score"]) == (True, None, None)
    assert "cannot tell" in last["reason"]


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes_and_others_another_name() -> None:
    frames = with_profiles(("D1", "D2", "D3"), {"D1": COMMON, "D2": COMMON[3:], "D3": COMMON[5:]}, "ab")
    first, again = ran(frames), ran(frames)
    assert first.rankings.equals(again.rankings)
    assert first.match_run.equals(again.match_run)
    shuffled = {
        n: [rows[i] for i in np.random.default_rng(1).permutation(len(rows))] for n, rows in frames.items()
    }
    assert ran(shuffled).rankings.equals(first.rankings)
    strangers = {**frames, "patients": [*frames["patients"], {"patient_id": "Z", "arm": "fmt"}]}
    assert ran(strangers).match_run_id == first.match_run_id
    assert ran(frames, seed=1).match_run_id != first.match_run_id
    assert ran(frames, on_day=ON_DAY + 1).match_run_id != first.match_run_id
    frames["donors"][0]["recent_foods"] = "egg"
    assert ran(frames).match_run_id != first.match_run_id


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="no patient 'Q'"):
        ran(tables(), recipient="Q")
    with pytest.raises(InputError, match="unknown screening profile"):
        ran(tables(), profile="LAX")
    frames = tables()
    frames["dispositions"] = [
        {"disposition_id": "X", "patient_id": "P", "kind": "death", "occurred_on": TODAY}
    ]
    with pytest.raises(RefusedError, match="has died"):
        ran(frames)
    with pytest.raises(InputError, match="contradicts"):
        ran(tables(), answers={"immunocompromise": "severe"})


def test_withdrawal_ends_consent() -> None:
    frames = tables()
    frames["dispositions"] = [
        {"disposition_id": "X", "patient_id": "P", "kind": "withdrawal", "occurred_on": TODAY}
    ]
    assert "REC18" in failed(frames)


def test_without_a_route_nobody_is_eligible() -> None:
    assert {"GATE11", "GATE25"} <= failed(tables(), route=None)


def test_open_questions_leave_a_comparison_without_a_rank() -> None:
    run = ran(tables(), answers={})
    row = run.rankings.row(0, named=True)
    assert (row["is_eligible"], row["rank"], row["band"]) == (False, None, "1")
    assert "questions about the recipient are open" in row["reason"]
    assert run.tables["score_parts"].height > 0
    refused = run.tables["refusals"]
    assert set(refused["verdict"]) == {"undetermined"}
    assert refused["source"].null_count() == 0
    assert not refused.filter(pl.col("rule_id") == "REC08.has_intestinal_obstruction").is_empty()


def test_a_refused_recipient_is_compared_with_nobody() -> None:
    run = ran(tables(), answers={**CLEAR, "is_pregnant": True})
    assert run.rankings["reason"].to_list() == ["not eligible"]
    assert run.rankings["score"].to_list() == [None]
    assert run.tables["score_parts"].is_empty()


def test_an_incomplete_profile_clears_nobody_until_it_is_signed() -> None:
    assert "GATE04" in failed(tables(), profile="CN2020")


def test_an_empty_shelf() -> None:
    run = match(of({"patients": tables()["patients"]}), recipient="P", on_day=ON_DAY)
    assert run.rankings.is_empty()
    assert run.match_run["n_candidates"].to_list() == [0]
