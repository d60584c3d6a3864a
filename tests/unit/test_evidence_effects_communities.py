"""Communities and outcomes: what is known before the transplant, what only after, and too little."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from commensal.evidence.effects import Settings, microbiome_effects
from commensal.evidence.ground import Ground, ground_of
from commensal.study import RESULTS, Manifest, study_of

N = 60


@pytest.fixture(scope="module")
def ground() -> Ground:
    """Sixty patients, every third with a response reported."""
    patients = [
        {"patient_id": f"P{i:02d}", "arm": "fmt", "indication": "uc", "index_day": 0} for i in range(N)
    ]
    sessions = [
        {"session_id": f"S{i}", "patient_id": f"P{i:02d}", "administered_day": 0, "route": "colonoscopy"}
        for i in range(N)
    ]
    labels = [
        {"outcome_id": f"O{i}", "patient_id": f"P{i:02d}", "label": "no_response" if i % 3 else "response"}
        for i in range(N)
    ]
    frames = {"patients": patients, "sessions": sessions, "reported_outcomes": labels}
    study = study_of(
        {name: pl.DataFrame(rows) for name, rows in frames.items()},
        manifest=Manifest(origin="test", clock="patient"),
    )
    return ground_of(study, landmarks=["M3"])


def offered(n: int = N, scale: float = 1.0) -> pl.DataFrame:
    generator = np.random.default_rng(2)
    values = scale * (generator.normal(size=N) + np.array([0.0 if i % 3 else 2.0 for i in range(N)]))
    rows = {"subject_id": [f"P{i:02d}" for i in range(N)], "sample_id": "s", "day": -1, "value": values}
    return pl.DataFrame(rows).head(n)


def row(ground: Ground, tables: dict[str, pl.DataFrame], term: str) -> dict:
    found = microbiome_effects(ground, tables, settings=Settings(), level=0.95)["effects"]
    return found.filter(endpoint="reported_response", term=term).row(0, named=True)


def test_complementarity_is_known_before_and_standardised_within_the_study(ground):
    one = row(ground, {"complementarity": offered()}, "complementarity")
    assert one["model"] == "microbiome_at_baseline"
    assert (one["n"], one["n_events"]) == (N, 20)
    assert one["lower"] > 0
    assert "known before the transplant" in one["reason"]
    assert one["contrast"] == "per standard deviation"
    scaled = row(ground, {"complementarity": offered(scale=0.01)}, "complementarity")
    assert scaled["estimate"] == pytest.approx(one["estimate"], rel=1e-6)


def test_engraftment_says_that_it_is_known_only_after(ground):
    rows = offered().select(
        "subject_id", "value", sample_id="subject_id", day=pl.lit(28), measure=pl.lit("strain_engraftment")
    )
    table = pl.concat([RESULTS["engraftment"].empty(), rows], how="diagonal_relaxed")
    one = row(ground, {"engraftment": table}, "strain_engraftment")
    assert one["model"] == "microbiome_after_index"
    assert "measured after index" in one["reason"]
    assert one["estimate"] is not None


def test_too_few_of_one_outcome_is_a_row_with_counts(ground):
    one = row(ground, {"complementarity": offered(12)}, "complementarity")
    assert one["estimate"] is None
    assert "4 successes among 12 with a sample" in one["reason"]
