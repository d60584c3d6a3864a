"""A centre as a world for trials of a policy: recipients wait, a policy assigns donors, outcomes come later.

``step`` is pure: the same state and the same assignments give the same next state and outcomes. The donors'
true effects are in ``truth`` and in no table that a policy sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from commensal.errors import InputError, nearest
from commensal.simulate.draws import chosen, expit
from commensal.simulate.people import of_disorder
from commensal.simulate.scenario import Scenario, read_scenario

WAITING = {
    "recipient_id": pl.String,
    "indication": pl.String,
    "age_years": pl.Float64,
    "severity": pl.Float64,
    "arrived_day": pl.Int64,
}
PENDING = {**WAITING, "donor_id": pl.String, "treated_day": pl.Int64, "is_success": pl.Boolean}
OUTCOMES = {k: v for k, v in PENDING.items() if k != "arrived_day"} | {"observed_day": pl.Int64}


@dataclass(frozen=True)
class Centre:
    """The state of a programme on one day.

    ``waiting`` holds recipients without a donor; ``donors`` those who may be assigned, with the number of
    units each has left; ``pending`` treated recipients whose outcome is not known yet. ``truth`` (donor_id,
    log_odds) is what a policy does not see.
    """

    scenario: Scenario
    seed: int
    day: int
    n_arrived: int
    waiting: pl.DataFrame
    donors: pl.DataFrame
    pending: pl.DataFrame
    truth: pl.DataFrame
    arrivals_per_step: float
    units_per_step: int
    outcome_after_days: int
    step_days: int

    def step(self, assignments: Mapping[str, str]) -> tuple[Centre, pl.DataFrame]:
        """Treat the assigned recipients, let ``step_days`` pass, and return the next state and the outcomes
        that became known meanwhile.

        Parameters
        ----------
        assignments : recipient_id → donor_id; who is not named goes on waiting.

        Refuses
        -------
        ``InputError`` for a recipient who does not wait, a donor there is not, or more recipients than a
        donor has units.
        """
        self._check(assignments)
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, self.day]))
        treated = self._treated(assignments, rng)
        day = self.day + self.step_days
        pending = pl.concat([self.pending, treated])
        is_known = pl.col("treated_day") + self.outcome_after_days <= day
        known = pending.filter(is_known).with_columns(
            observed_day=pl.col("treated_day") + self.outcome_after_days
        )
        arrivals = _arrivals(self.scenario, rng, self.arrivals_per_step, first=self.n_arrived, day=day)
        waiting = self.waiting.filter(~pl.col("recipient_id").is_in(list(assignments)))
        later = replace(
            self,
            day=day,
            n_arrived=self.n_arrived + arrivals.height,
            waiting=pl.concat([waiting, arrivals]),
            donors=self._stock_after(assignments),
            pending=pending.filter(~is_known),
        )
        return later, known.select(list(OUTCOMES)).sort("recipient_id")

    def _check(self, assignments: Mapping[str, str]) -> None:
        waiting, donors = (
            set(self.waiting["recipient_id"]),
            dict(self.donors.select("donor_id", "n_units").rows()),
        )
        for recipient, donor in assignments.items():
            if recipient not in waiting:
                raise InputError(
                    f"recipient {recipient!r} does not wait", expected=nearest(recipient, waiting)
                )
            if donor not in donors:
                raise InputError(f"there is no donor {donor!r}", expected=nearest(donor, donors))
            donors[donor] -= 1
            if donors[donor] < 0:
                raise InputError(f"donor {donor} has no unit left", do="assign another donor or wait")

    def _treated(self, assignments: Mapping[str, str], rng: np.random.Generator) -> pl.DataFrame:
        """Outcomes are drawn in the order of recipient ids: the order of the assignments does not matter."""
        pairs = pl.DataFrame(
            {"recipient_id": list(assignments), "donor_id": list(assignments.values())},
            schema={"recipient_id": pl.String, "donor_id": pl.String},
        )
        rows = (
            self.waiting.join(pairs, on="recipient_id").join(self.truth, on="donor_id").sort("recipient_id")
        )
        goal = {d.code: d.month_3_response for d in self.scenario.indications}
        base = (
            rows["indication"].replace_strict(goal, return_dtype=pl.Float64).to_numpy().clip(1e-6, 1 - 1e-6)
        )
        disease = self.scenario.disease
        linear = (
            np.log(base / (1 - base))
            + disease.severity_log_odds_per_sd * rows["severity"].to_numpy()
            + disease.age_log_odds_per_decade * (rows["age_years"].to_numpy() - 45) / 10
            + rows["log_odds"].to_numpy()
        )
        success = pl.Series("is_success", rng.random(rows.height) < expit(linear), dtype=pl.Boolean)
        return rows.with_columns(success, treated_day=pl.lit(self.day, pl.Int64)).select(list(PENDING))

    def _stock_after(self, assignments: Mapping[str, str]) -> pl.DataFrame:
        used = pl.Series(list(assignments.values()), dtype=pl.String).value_counts(name="used")
        joined = self.donors.join(used.rename({used.columns[0]: "donor_id"}), on="donor_id", how="left")
        return joined.sort("donor_id").select(
            "donor_id", n_units=pl.col("n_units") - pl.col("used").fill_null(0) + self.units_per_step
        )


def open_centre(
    *,
    seed: int,
    scenario: str | Scenario | None = None,
    donor_log_odds: Mapping[str, float] | None = None,
    n_donors: int = 12,
    arrivals_per_step: float = 10.0,
    units_per_step: int = 2,
    outcome_after_days: int = 84,
    step_days: int = 7,
) -> Centre:
    """Return a centre on day 0 with its first recipients waiting.

    ``donor_log_odds`` gives the donors and their true effects; without it there are ``n_donors`` donors whose
    effects are exactly 0.
    """
    chosen_scenario = scenario if isinstance(scenario, Scenario) else read_scenario(scenario)
    effects = donor_log_odds or {f"D{i:03d}": 0.0 for i in range(1, n_donors + 1)}
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2**31]))
    waiting = _arrivals(chosen_scenario, rng, arrivals_per_step, first=0, day=0)
    truth = pl.DataFrame(
        {"donor_id": sorted(effects), "log_odds": [float(effects[d]) for d in sorted(effects)]},
        schema={"donor_id": pl.String, "log_odds": pl.Float64},
    )
    return Centre(
        scenario=chosen_scenario,
        seed=seed,
        day=0,
        n_arrived=waiting.height,
        waiting=waiting,
        donors=truth.select("donor_id", n_units=pl.lit(units_per_step, pl.Int64)),
        pending=pl.DataFrame(schema=PENDING),
        truth=truth,
        arrivals_per_step=arrivals_per_step,
        units_per_step=units_per_step,
        outcome_after_days=outcome_after_days,
        step_days=step_days,
    )


def _arrivals(
    scenario: Scenario, rng: np.random.Generator, mean: float, *, first: int, day: int
) -> pl.DataFrame:
    n = int(rng.poisson(mean))
    disorder = chosen(rng, [d.share for d in scenario.indications], n)
    middle, sd, low = (of_disorder(scenario, disorder, f) for f in ("age_mean", "age_sd", "age_min"))
    return pl.DataFrame(
        {
            "recipient_id": [f"W{first + i + 1:06d}" for i in range(n)],
            "indication": [scenario.indications[d].code for d in disorder],
            "age_years": np.maximum(middle + sd * rng.standard_normal(n), low),
            "severity": rng.standard_normal(n),
            "arrived_day": [day] * n,
        },
        schema=WAITING,
    )
