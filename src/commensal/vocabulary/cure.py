"""Cure of recurrent C. difficile infection: the clock of the endpoint, for one patient and for all.

The clock starts at the last session planned at index. A recurrence with onset up to 56 days later is a
failure, whether or not anybody saw the patient at week 8, and a failure is final. A retreatment (a further
FMT that was not planned, or antibiotics against C. difficile) up to then fails the primary endpoint. Cure
needs a contact at 56 days or later. A positive gene test without symptoms and toxin is carriage and no
recurrence: it is not an argument here.

Overall cure is the same clock from the last session given, with repeated FMT left out of the retreatments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CURE_DAYS = 56
STATUSES = ("cure", "failure", "undetermined")
REASONS = ("recurrence", "retreatment", "no_recurrence", "died", "no_contact", "no_session")


@dataclass(frozen=True)
class Cure:
    """Cure, failure or undetermined, and the reason: one of ``REASONS``."""

    status: str
    reason: str


def rcdi_cure(
    *,
    last_session_day: int | None,
    first_recurrence_day: int | None,
    first_retreatment_day: int | None,
    last_contact_day: int | None,
    died_day: int | None,
) -> Cure:
    """Return whether one patient is cured.

    Parameters
    ----------
    last_session_day : last session planned at index. All days are whole days of one clock.
    first_recurrence_day : onset of the first symptomatic, toxin-confirmed recurrence after index.
    first_retreatment_day : first FMT not planned at index, or antibiotic against C. difficile, after index.
    last_contact_day : last contact at which a recurrence would have been known.
    died_day : death.

    Returns
    -------
    A failure within 56 days wins over everything. Then a contact at 56 days or later is a cure; then a death
    before it is undetermined (it competes); the rest have no contact. Whether a patient is due is not asked
    here: that is ``windows.due_on``, and it comes first.
    """
    if last_session_day is None:
        return Cure("undetermined", "no_session")
    end = last_session_day + CURE_DAYS
    if first_recurrence_day is not None and first_recurrence_day <= end:
        return Cure("failure", "recurrence")
    if first_retreatment_day is not None and first_retreatment_day <= end:
        return Cure("failure", "retreatment")
    if last_contact_day is not None and last_contact_day >= end:
        return Cure("cure", "no_recurrence")
    if died_day is not None and died_day < end:
        return Cure("undetermined", "died")
    return Cure("undetermined", "no_contact")


def with_rcdi_cure(frame: Any) -> Any:
    """Add ``cure_status`` and ``cure_reason`` to a table with the columns that ``rcdi_cure`` takes.

    Polars, DuckDB, Spark or Narwhals; the rows agree with ``rcdi_cure``.
    """
    import narwhals as nw  # here, so that the words load without a library of tables

    table = nw.from_native(frame)
    end = nw.col("last_session_day") + CURE_DAYS
    reason = (
        nw.when(nw.col("last_session_day").is_null())
        .then(nw.lit("no_session"))
        .when(nw.col("first_recurrence_day") <= end)
        .then(nw.lit("recurrence"))
        .when(nw.col("first_retreatment_day") <= end)
        .then(nw.lit("retreatment"))
        .when(nw.col("last_contact_day") >= end)
        .then(nw.lit("no_recurrence"))
        .when(nw.col("died_day") < end)
        .then(nw.lit("died"))
        .otherwise(nw.lit("no_contact"))
    )
    status = (
        nw.when(nw.col("cure_reason").is_in(["recurrence", "retreatment"]))
        .then(nw.lit("failure"))
        .when(nw.col("cure_reason") == "no_recurrence")
        .then(nw.lit("cure"))
        .otherwise(nw.lit("undetermined"))
    )
    judged = table.with_columns(reason.alias("cure_reason")).with_columns(status.alias("cure_status"))
    return judged if table is frame else judged.to_native()
