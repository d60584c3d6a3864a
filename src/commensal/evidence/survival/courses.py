"""Which courses a study has: first remission or response, relapse after it, recurrence, death."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from commensal.evidence.incidence import evaluable, first_remissions, time_to_relapse, time_to_remission
from commensal.evidence.outcomes import Records, active_at_baseline, steroid_free, verdicts
from commensal.vocabulary.endpoints import Endpoint, primary_endpoint
from commensal.vocabulary.indications import indication, indications, is_within
from commensal.vocabulary.windows import window_of

STEROIDS_COUNT_FROM = window_of("M3", cohort="prospective").open
AT_CONSENT = ("retrospective", "ambispective")
ACTIVE = "active at baseline"
ANY = "everyone, whatever the baseline"


@dataclass(frozen=True)
class Course:
    """One course of one indication.

    ``event`` is remission, response, relapse or recurrence; ``patients`` who is in it, with the cohort's
    columns; ``times`` [patient_id, time, event, entry] of those under observation (0 censored, 1 the event,
    2 death, 3 colectomy; ``entry`` null from the origin); ``status`` [patient_id, day, is_remission] of the
    visits it rests on; ``cautions`` what was left out, in words.
    """

    indication: str
    event: str
    population: str
    patients: pl.DataFrame
    times: pl.DataFrame
    status: pl.DataFrame
    cautions: tuple[str, ...] = ()

    @property
    def curve(self) -> str:
        """The name of its curve."""
        return f"cumulative_incidence_of_{self.event}"

    @property
    def reason(self) -> str | None:
        """The cautions as one text; None where there are none."""
        return "; ".join(self.cautions) or None


def courses_of(records: Records, *, is_truncated_at_consent: bool = False) -> list[Course]:
    """Return every course of the treated patients, by indication, none pooled.

    First remission (response, where that is the primary endpoint) counts from index among those with active
    disease at baseline; relapse from the first remission; recurrence of C. difficile infection from index.
    Patients dead before index, visits after death, and deaths and colectomies after loss or withdrawal are
    left out, and counted.
    """
    treated = records.cohort.filter(pl.col("is_treated") & ~pl.col("is_comparator"))
    found: list[Course] = []
    for code in treated["indication"].drop_nulls().unique().sort():
        if code in indications() and not indication(code).is_group:
            found += _courses(treated.filter(pl.col("indication") == code), code, records)
    return [_entered(c) for c in found] if is_truncated_at_consent else found


def _courses(patients: pl.DataFrame, code: str, records: Records) -> list[Course]:
    patients, cautions = _followed(patients)
    if is_within(code, "cdi"):
        status = _recurrences(patients, records)
        times = time_to_remission(status, patients)
        return [Course(code, "recurrence", ANY, patients, _no_entry(times), status, cautions)]
    early, late = (primary_endpoint(code, landmark=landmark) for landmark in ("W8", "Y1"))
    endpoint = early or late
    if endpoint is None or endpoint.measure is None:
        return []
    status = _status(patients, early or endpoint, late or endpoint, records)
    active = active_at_baseline(patients, endpoint, records.assessed).filter("is_active")
    at_risk = patients.join(active, on="patient_id", how="semi")
    status, more = _before_death(status.join(at_risk, on="patient_id", how="semi"), at_risk)
    cautions = cautions + more
    who = ACTIVE if endpoint.requires_active_at_baseline else ANY
    times = _no_entry(time_to_remission(status, at_risk))
    first = Course(code, endpoint.kind, who, at_risk, times, status, cautions)
    if endpoint.kind != "remission":
        return [first]
    again = _no_entry(time_to_relapse(status, at_risk))
    reached = at_risk.join(first_remissions(status), on="patient_id")
    return [first, Course(code, "relapse", "in first remission", reached, again, status, cautions)]


def _no_entry(times: pl.DataFrame) -> pl.DataFrame:
    return times.with_columns(entry=pl.lit(None, dtype=pl.Float64))


def _followed(patients: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Patients alive at index; what befell them after loss or withdrawal is not counted.

    Deaths among those no longer followed come to light by chance: counting them would add events of people
    whose time at risk is not counted.
    """
    gone = pl.min_horizontal("days_to_loss", "days_to_withdrawal")
    outside = {
        name: (pl.col(name) > gone).fill_null(False) for name in ("days_to_death", "days_to_colectomy")
    }
    dead = (pl.col("days_to_death") < 0).fill_null(False)
    n_dead = int(patients.select(dead.sum()).item())
    n_outside = int(patients.select(sum(c.cast(pl.Int64).sum() for c in outside.values())).item())
    kept = patients.filter(~dead).with_columns(
        pl.when(~condition).then(name).alias(name) for name, condition in outside.items()
    )
    said = (
        (n_dead, "dead before index are left out"),
        (n_outside, "deaths or colectomies after loss or withdrawal are not counted"),
    )
    return kept, tuple(f"{n} {words}" for n, words in said if n)


def _before_death(status: pl.DataFrame, patients: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    dated = status.join(patients.select("patient_id", "days_to_death"), on="patient_id", how="left")
    after = (pl.col("day") > pl.col("days_to_death")).fill_null(False)
    kept = dated.filter(~after).drop("days_to_death")
    n = dated.height - kept.height
    return kept, ((f"{n} visits dated after death are not used",) if n else ())


def _status(patients: pl.DataFrame, early: Endpoint, late: Endpoint, records: Records) -> pl.DataFrame:
    """[patient_id, day, is_remission] of all visits; from three months on by the steroid-free rule."""
    judged = verdicts(patients, early, records.assessed)
    from_then = pl.col("day") >= STEROIDS_COUNT_FROM
    parts = [judged.filter(~from_then), steroid_free(judged.filter(from_then), late, records)]
    return pl.concat(parts).rename({"success": "is_remission"})


def _recurrences(patients: pl.DataFrame, records: Records) -> pl.DataFrame:
    """From index: a recurrence is found when it began; the last attended visit ends observation."""
    facts = patients.select("patient_id").join(records.cdi, on="patient_id", how="left")
    contact = facts.select("patient_id", day="last_contact_day", is_remission=pl.lit(False))
    onset = facts.select("patient_id", day="first_recurrence_day", is_remission=pl.lit(True))
    return pl.concat([contact, onset]).drop_nulls("day")


def _entered(course: Course) -> Course:
    """The same course with entry at consent where the patient had to be alive to give it."""
    facts = course.patients.select(
        "patient_id",
        entry=consent_entry() - (pl.col("origin") if course.event == "relapse" else 0),
    )
    dated = course.times.drop("entry").join(facts, on="patient_id", how="left")
    dated = dated.with_columns(pl.when(pl.col("entry") > 0).then("entry").cast(pl.Float64).alias("entry"))
    never = (pl.col("entry") >= pl.col("time")).fill_null(False)
    n = int(dated.select(never.sum()).item())
    late = int(dated["entry"].count()) - n
    words = [f"{late} enter at consent, after the origin"] if late else []
    words += [f"{n} whose time ended before consent are left out"] if n else []
    return Course(
        **{**course.__dict__, "times": dated.filter(~never), "cautions": (*course.cautions, *words)}
    )


def consent_entry() -> pl.Expr:
    """Day of consent after index, of cohorts whose records needed consent of the living; else null."""
    day = pl.col("days_from_index_to_consent")
    return pl.when(pl.col("cohort").is_in(AT_CONSENT) & (day > 0)).then(day)


def visits_of(course: Course) -> pl.DataFrame:
    """[patient_id, day, is_remission] of the evaluable visits of a course, one a day, sorted.

    Two verdicts of one day count as remission only if both do.
    """
    rows = evaluable(course.status).group_by("patient_id", "day").agg(pl.col("is_remission").all())
    return rows.sort("patient_id", "day")
