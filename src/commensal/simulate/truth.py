"""The truth kept beside a synthetic study: what an analysis should find."""

from __future__ import annotations

import numpy as np
import polars as pl

from commensal.simulate.communities import Taxa, engrafted
from commensal.simulate.disease import MONTH_3, YEAR_1, YEAR_5, Course
from commensal.simulate.donors import Donors
from commensal.simulate.draws import Floats, Ints
from commensal.simulate.followup import FollowUp
from commensal.simulate.material import Recall, picked
from commensal.simulate.people import Patients
from commensal.simulate.safety import serious_probability
from commensal.simulate.sampling import Sampling
from commensal.simulate.scenario import Scenario
from commensal.simulate.stock import Stock

LANDMARKS = {"W8": 56, "M3": MONTH_3, "Y1": YEAR_1, "Y5": YEAR_5}


def patient_truth(
    scenario: Scenario, patients: Patients, course: Course, follow_up: FollowUp, donor: Ints, donors: Donors
) -> pl.DataFrame:
    """One row a patient: traits behind the data and the states under full follow-up, seen or not."""
    code = np.array([d.code for d in scenario.indications])[patients.disorder]
    columns = {
        "patient_id": patients.patient_id.tolist(),
        "indication": code,
        "is_treated": patients.is_treated,
        "is_active_at_baseline": patients.is_active,
        "is_deep_responder": course.is_deep,
        "severity": patients.severity,
        "receptivity": course.engraftment,
        "serious_event_probability": serious_probability(scenario, patients),
        "donor_id": picked(donors.donor_id, donor),
        "death_day": course.death,
        "colectomy_day": course.colectomy,
        "leaving_day": follow_up.would_have_left,
        "first_change_day": course.changes[:, 0],
    }
    rows = np.arange(len(patients))
    for landmark, day in LANDMARKS.items():
        well = course.is_well(rows, float(day))
        columns[f"is_responding_{landmark}"] = well
        columns[f"is_remitted_{landmark}"] = well & (course.is_deep | ~patients.is_active)
    days = ("death_day", "colectomy_day", "leaving_day", "first_change_day")
    return pl.DataFrame(columns).with_columns(
        pl.when(pl.col(c).is_finite()).then(pl.col(c)).cast(pl.Int64).alias(c) for c in days
    )


def donor_truth(donors: Donors) -> pl.DataFrame:
    """One row a donor: the effect on the log-odds of response. Exactly 0 for all but a planted one."""
    return pl.DataFrame({"donor_id": donors.donor_id.tolist(), "log_odds": donors.log_odds})


def planted_truth(
    patients: Patients,
    donors: Donors,
    stock: Stock,
    recall: Recall | None,
    sample_ids: list[str],
    sampling: Sampling | None,
) -> pl.DataFrame:
    """One row a planted truth: its kind, the record it sits on, and what it is."""
    rows = [
        {"kind": "bad_donor", "id": donors.donor_id[d], "detail": f"log-odds {donors.log_odds[d]:g}"}
        for d in np.flatnonzero(donors.log_odds != 0).tolist()
    ]
    if recall is not None:
        ill = ";".join(sorted(patients.patient_id[recall.ill_row].tolist()))
        rows.append({"kind": "contaminated_lot", "id": stock.batch_id[recall.batch], "detail": ill})
    if sampling is not None and sampling.swap is not None:
        rows.append(
            {
                "kind": "mislabelled_sample",
                "id": sample_ids[sampling.swap.label],
                "detail": "the stool is that of the patient of " + sample_ids[sampling.swap.stool],
            }
        )
    return pl.DataFrame(rows, schema={"kind": pl.String, "id": pl.String, "detail": pl.String})


def taxon_truth(taxa: Taxa) -> pl.DataFrame:
    """One row a taxon: its probability of settling in one session and its prevalence in healthy people."""
    return pl.DataFrame(
        {
            "taxon_id": taxa.taxon_id.tolist(),
            "rate_per_session": taxa.rate,
            "prevalence": taxa.prevalence,
            "blooms": taxa.blooms,
        }
    )


def engraftment_truth(
    scenario: Scenario, sampling: Sampling, days: Floats, sample_ids: list[str]
) -> pl.DataFrame:
    """One row a patient's sample: of the taxa that donors brought and the patient lacked, the settled."""
    at = sampling.at
    mine = type(sampling.recipients)(**{k: v[at] for k, v in sampling.recipients.__dict__.items()})
    settled = engrafted(
        mine,
        sampling.communities,
        sampling.sessions_by_donor,
        day=days,
        diminishing=scenario.microbiome.second_course_diminishing,
    )
    brought = (sampling.sessions_by_donor @ sampling.communities.has.astype(float) > 0) & ~mine.resident
    return pl.DataFrame(
        {
            "sample_id": sample_ids[: len(at)],
            "n_sessions": sampling.sessions_by_donor.sum(axis=1).astype(np.int64),
            "n_brought": brought.sum(axis=1),
            "n_settled": (brought & settled).sum(axis=1),
        }
    )


def remission_truth(patient: pl.DataFrame) -> pl.DataFrame:
    """One row an indication and landmark: the share in response and remission under full follow-up, among
    treated patients with active disease at baseline."""
    mine = patient.filter(pl.col("is_treated"), pl.col("is_active_at_baseline"))
    frames = [
        mine.group_by("indication")
        .agg(
            pl.len().alias("n"),
            pl.col(f"is_responding_{landmark}").sum().alias("n_responding"),
            pl.col(f"is_remitted_{landmark}").sum().alias("n_remitted"),
        )
        .with_columns(landmark=pl.lit(landmark))
        for landmark in LANDMARKS
    ]
    return pl.concat(frames).sort("indication", "landmark")
