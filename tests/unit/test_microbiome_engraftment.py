"""Who is compared with whom: pools, several donors, missing samples, and never a dropped patient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from commensal.microbiome import engraft, taxon_engraftment
from commensal.study import RESULTS, Manifest, Study, study_of

Row = dict[str, Any]


def study(
    samples: dict[str, tuple[Row, str]],
    *,
    sessions: Sequence[tuple[int | None, str | None]] = ((0, "u1"),),
    units: dict[str, list[str]] | None = None,
    arm: str = "fmt",
    kinds: dict[str, str] | None = None,
) -> Study:
    """One patient P; samples as id → (columns, taxa seen, one letter each); units as id → donors."""
    units = {"u1": ["D1"]} if units is None else units
    kinds = kinds or {}
    counts = [(s, taxon, 1000) for s, (_, taxa) in samples.items() for taxon in taxa]
    frames = {
        "patients": [{"patient_id": "P", "arm": arm, "index_day": 0}],
        "samples": [{"sample_id": s, **columns} for s, (columns, _) in samples.items()],
        "sessions": [
            {"session_id": f"s{i}", "patient_id": "P", "administered_day": day}
            for i, (day, _) in enumerate(sessions)
        ],
        "session_units": [
            {"session_id": f"s{i}", "unit_id": unit} for i, (_, unit) in enumerate(sessions) if unit
        ],
        "units": [{"unit_id": u, "batch_id": f"b-{u}", "release_pathway": "historical"} for u in units],
        "unit_donors": [{"unit_id": u, "donor_id": d} for u, donors in units.items() for d in donors],
        "donors": [
            {"donor_id": d, "kind": kinds.get(d, "universal")}
            for d in sorted({d for donors in units.values() for d in donors})
        ],
        "abundances": [{"sample_id": s, "taxon_id": t, "count": c} for s, t, c in counts],
    }
    tables = {name: pl.DataFrame(rows) for name, rows in frames.items() if rows}
    return study_of(tables, manifest=Manifest(origin="test", clock="patient"))


def of_patient(day: int | None, timepoint: str | None = None, **more: Any) -> Row:
    return {"patient_id": "P", "collected_day": day, "timepoint": timepoint, **more}


def of_donor(donor: str) -> Row:
    return {"donor_id": donor}


def panel(given: Study, **options: Any) -> pl.DataFrame:
    """The table of measures."""
    return engraft(given, **options)["engraftment"]


def measured(frame: pl.DataFrame, sample: str, measure: str = "peds") -> Row:
    return frame.row(
        by_predicate=(pl.col("sample_id") == sample) & (pl.col("measure") == measure), named=True
    )


def test_the_table_is_as_declared_and_has_no_nan() -> None:
    frame = panel(study({"post": (of_patient(14), "ab"), "d": (of_donor("D1"), "abc")}))
    assert frame.schema == pl.Schema(RESULTS["engraftment"].schema)
    row = measured(frame, "post")
    assert (row["n_events"], row["n"], row["donor_id"], row["reference_sample_id"]) == (2, 3, "D1", "d")
    assert row["lower"] < row["value"] < row["upper"]
    assert "Wilson" in row["method"]
    numbers = frame.select(pl.selectors.float())
    assert not any(numbers.select(pl.all().is_nan().any()).row(0))
    assert frame.filter(pl.col("value").is_null() & pl.col("reason").is_null()).is_empty()


def test_a_sample_before_the_transplant_is_resemblance() -> None:
    frame = panel(study({"pre": (of_patient(-7), "a"), "d": (of_donor("D1"), "ab")}))
    row = measured(frame, "pre")
    assert (row["n_events"], row["n"]) == (1, 2)
    assert "resemblance" in row["reason"]


@pytest.mark.parametrize(
    ("day", "timepoint", "is_before"),
    [
        (-1, None, True),
        (0, None, True),
        (1, None, False),
        (1, "post ABX", True),
        (30, "Baseline", True),
        (None, "pre-FMT", True),
        (None, "Post FMT", False),
        (None, "week 4", None),
    ],
)
def test_when_a_sample_is_before(day: int | None, timepoint: str | None, is_before: bool | None) -> None:
    frame = panel(study({"s": (of_patient(day, timepoint), "a"), "d": (of_donor("D1"), "ab")}))
    reason = measured(frame, "s")["reason"] or ""
    assert ("resemblance" in reason, "unknown" in reason) == (is_before is True, is_before is None)


def test_the_baseline_is_the_last_before_and_antibiotics_only_in_need() -> None:
    samples = {
        "early": (of_patient(-20), "a"),
        "late": (of_patient(-3), "ab"),
        "abx": (of_patient(-1, is_on_antibiotics=True), "z"),
        "post": (of_patient(14), "b"),
    }
    row = measured(panel(study(samples)), "post", "pprs")
    assert (row["reference_sample_id"], row["n_events"], row["n"]) == ("late", 1, 2)
    only = {name: samples[name] for name in ("abx", "post")}
    row = measured(panel(study(only)), "post", "pprs")
    assert row["reference_sample_id"] == "abx"
    assert "antibiotics" in row["reason"]


def test_the_baseline_is_not_compared_with_itself_and_may_be_absent() -> None:
    frame = panel(study({"pre": (of_patient(-3), "ab"), "post": (of_patient(14), "b")}))
    assert measured(frame, "pre", "pprs")["reason"] == "this sample is the baseline"
    frame = panel(study({"post": (of_patient(14), "b")}))
    assert measured(frame, "post", "bray_curtis_to_baseline")["reason"] == "no baseline sample with a profile"


def test_a_pool_is_read_by_its_own_sample() -> None:
    units = {"u1": ["D1", "D2"]}
    samples = {
        "post": (of_patient(14), "a"),
        "pool": ({"batch_id": "b-u1"}, "ab"),
        "d1": (of_donor("D1"), "xyz"),
    }
    row = measured(panel(study(samples, units=units)), "post")
    assert (row["donor_id"], row["reference_sample_id"], row["n_events"], row["n"]) == ("b-u1", "pool", 1, 2)


def test_a_pool_without_a_sample_is_the_union_of_its_donors() -> None:
    units = {"u1": ["D1", "D2"]}
    samples = {
        "post": (of_patient(14), "a"),
        "d1": (of_donor("D1"), "ab"),
        "d2": (of_donor("D2"), "bc"),
    }
    frame = panel(study(samples, units=units))
    row = measured(frame, "post")
    assert (row["donor_id"], row["reference_sample_id"], row["n_events"], row["n"]) == (
        "D1;D2",
        "d1;d2",
        1,
        3,
    )
    assert "union of 2 samples" in row["reason"]
    # The mean of the two donors is (1/4, 1/2, 1/4); the sample is all a.
    assert measured(frame, "post", "bray_curtis_to_donor")["value"] == pytest.approx(0.75)
    samples.pop("d2")
    row = measured(panel(study(samples, units=units)), "post")
    assert (row["value"], row["reason"]) == (None, "no sample of donor D2 with a profile")


def test_donors_over_time_are_those_given_up_to_the_day() -> None:
    units = {"u1": ["D1"], "u2": ["D2"]}
    samples = {
        "pre": (of_patient(-1), "a"),
        "post": (of_patient(14), "a"),
        "late": (of_patient(60), "a"),
        "unknown": (of_patient(None, "post"), "a"),
        "d1": (of_donor("D1"), "ab"),
        "d2": (of_donor("D2"), "cd"),
    }
    frame = panel(study(samples, units=units, sessions=[(0, "u1"), (30, "u2")]))
    assert [measured(frame, s)["donor_id"] for s in ("pre", "post", "late")] == ["D1", "D1", "D1;D2"]
    assert measured(frame, "late")["n"] == 4
    assert "donors given by then cannot be told" in measured(frame, "unknown")["reason"]


def test_a_comparator_who_later_crosses_over_has_a_donor_then() -> None:
    samples = {"s": (of_patient(30), "a"), "after": (of_patient(90), "a"), "d": (of_donor("D1"), "ab")}
    frame = panel(study(samples, arm="placebo", sessions=[(60, "u1")]))
    assert "resemblance" in measured(frame, "s")["reason"]
    assert measured(frame, "after")["reason"] is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sessions": [], "arm": "antibiotics_only"}, "no donor: comparator patient"),
        ({"sessions": []}, "no session recorded"),
        ({"sessions": [(0, None)]}, "donor unknown: a session up to this day has no donor recorded"),
        ({"units": {"u1": []}}, "donor unknown: a session up to this day has no donor recorded"),
        (
            {"sessions": [(0, "u1"), (3, None)]},
            "donor unknown: a session up to this day has no donor recorded",
        ),
        ({"units": {"u1": ["D9"]}}, "no sample of donor D9 with a profile"),
        ({"kinds": {"D1": "autologous"}}, "no donor: autologous material"),
    ],
)
def test_without_a_donor_there_is_a_reason(options: Row, reason: str) -> None:
    samples = {"pre": (of_patient(-7), "a"), "post": (of_patient(14), "ab"), "d": (of_donor("D1"), "abc")}
    frame = panel(study(samples, **options))
    row = measured(frame, "post")
    assert (row["value"], row["reason"]) == (None, reason)
    assert measured(frame, "post", "pprs")["value"] == 1
    assert measured(frame, "post", "richness")["value"] == 2


def test_no_patient_is_dropped() -> None:
    frame = panel(study({"d": (of_donor("D1"), "ab")}))
    assert frame.select("subject_id", "sample_id", "measure", "reason").rows() == [
        ("P", None, "peds", "no sample of this patient")
    ]
    frame = panel(study({"post": (of_patient(14), ""), "d": (of_donor("D1"), "ab")}))
    assert set(frame["reason"]) == {"no abundance profile of this sample"}


def test_few_reads_are_a_caution() -> None:
    samples = {"post": (of_patient(14), "a"), "d": (of_donor("D1"), "ab")}
    poor = study(samples)
    few = poor.read("abundances").with_columns(count=pl.lit(300))
    frame = panel(study_of({**poor.frames, "abundances": few}, manifest=poor.manifest))
    assert measured(frame, "post")["reason"] == (
        "only 300 reads: features are missed; reference: only 600 reads: features are missed"
    )


def test_rarefied_samples_that_are_too_shallow_have_a_reason() -> None:
    samples = {"post": (of_patient(14), "a"), "deep": (of_patient(20), "abc"), "d": (of_donor("D1"), "ab")}
    frame = panel(study(samples), rarefy_to=1500, seed=1)
    assert measured(frame, "post")["reason"] == "fewer than 1500 reads: left out by rarefaction"
    assert measured(frame, "deep")["value"] is not None


def test_taxa_over_recipients_whose_donor_had_them() -> None:
    samples = {
        "early": (of_patient(7, "post"), "a"),
        "late": (of_patient(30, "post"), "b"),
        "d": (of_donor("D1"), "ab"),
    }
    frame = taxon_engraftment(study(samples))
    rows = frame.select("timepoint", "taxon_id", "n_recipients_have", "n_donors_had").rows()
    assert rows == [
        ("post, day 30", "a", 0, 1),
        ("post, day 30", "b", 1, 1),
        ("post, day 7", "a", 1, 1),
        ("post, day 7", "b", 0, 1),
    ]
    nobody = taxon_engraftment(study(samples, sessions=[], arm="placebo"))
    assert nobody["reason"].to_list() == ["no recipient has both a profile and a donor's profile"]
