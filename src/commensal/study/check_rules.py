"""Rules between tables: what no single column can say about patients, donors, material and time."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from commensal.study.check_files import Tables
from commensal.study.problems import problems_at

Found = Iterator[pl.DataFrame]

TREATED_ARMS = ("fmt", "autologous")

# (table, what comes first, what comes after)
ORDERED = (
    ("adverse_events", "began_day", "resolved_day"),
    ("exposures", "started_day", "stopped_day"),
    ("hospitalisations", "admitted_day", "discharged_day"),
    ("consents", "signed_day", "withdrawn_day"),
    ("courses", "started_day", "ended_day"),
    ("holds", "placed_day", "lifted_day"),
    ("units", "produced_day", "expires_day"),
    ("screenings", "collected_day", "reported_day"),
)

# What happens to a living patient: after birth and not after death.
LIVED = (
    ("sessions", "administered_day"),
    ("visits", "visited_day"),
    ("diaries", "recorded_day"),
    ("adverse_events", "began_day"),
    ("procedures", "performed_day"),
    ("lab_results", "collected_day"),
)

# (table, its own patient, the column that points to a row with a patient, that table)
SAME_PATIENT = (
    ("assessments", "visit_id", "visits"),
    ("sessions", "course_id", "courses"),
    ("adverse_events", "session_id", "sessions"),
    ("custody", "session_id", "sessions"),
)


def check_order_of_days(tables: Tables) -> Found:
    """An end does not come before its beginning."""
    for table, first, after in ORDERED:
        frame = tables.read(table, first, after)
        broken = frame.filter(pl.col(after) < pl.col(first))
        yield problems_at(broken, table, column=after, rule="order_of_days", message=f"is before {first}")


def check_life(tables: Tables) -> Found:
    """Nothing happens to a patient before birth or after death."""
    births = tables.read("patients", "patient_id", "born_day", "index_day").drop("row")
    died = tables.read("dispositions", "patient_id", "kind", "occurred_day").filter(pl.col("kind") == "death")
    deaths = died.group_by("patient_id").agg(pl.col("occurred_day").min().alias("died_day"))
    lives = births.join(deaths, on="patient_id", how="left")
    index = lives.with_row_index("row").filter(pl.col("index_day") < pl.col("born_day"))
    yield problems_at(
        index, "patients", column="index_day", rule="before_birth", message="before the patient was born"
    )
    for table, day in LIVED:
        extra = ["status"] if table == "visits" else []
        frame = tables.read(table, "patient_id", day, *extra).join(lives, on="patient_id", how="inner")
        if extra:
            frame = frame.filter(pl.col("status") == "attended")
        before, after = pl.col(day) < pl.col("born_day"), pl.col(day) > pl.col("died_day")
        message = "before the patient was born"
        yield problems_at(frame.filter(before), table, column=day, rule="before_birth", message=message)
        message = "after the patient died"
        yield problems_at(frame.filter(after), table, column=day, rule="after_death", message=message)


def check_one_death(tables: Tables) -> Found:
    """A patient dies once."""
    died = tables.read("dispositions", "patient_id", "kind").filter(pl.col("kind") == "death")
    broken = died.filter(~pl.col("patient_id").is_first_distinct())
    message = "the patient's death is recorded twice"
    yield problems_at(broken, "dispositions", column="patient_id", rule="one_death", message=message)


def check_same_patient(tables: Tables) -> Found:
    """A row and the row it points to belong to the same patient."""
    for table, pointer, target in SAME_PATIENT:
        own = tables.read(table, "patient_id", pointer)
        other = tables.read(target, pointer, "patient_id").drop("row").unique(pointer, keep="first")
        joined = own.join(other, on=pointer, how="inner", suffix="_there", maintain_order="left")
        broken = joined.filter(pl.col("patient_id") != pl.col("patient_id_there"))
        message = f"another patient than that of its {pointer.removesuffix('_id')}"
        yield problems_at(broken, table, column="patient_id", rule="same_patient", message=message)


def check_comparators(tables: Tables) -> Found:
    """A comparator received no donor material, so has no session; a treated patient has one."""
    patients = tables.read("patients", "patient_id", "arm")
    sessions = tables.read("sessions", "patient_id")
    arms = patients.drop("row").unique("patient_id", keep="first")
    broken = sessions.join(arms, on="patient_id", maintain_order="left").filter(
        ~pl.col("arm").is_in(TREATED_ARMS)
    )
    yield problems_at(
        broken,
        "sessions",
        column="patient_id",
        rule="comparator_session",
        message="a patient of a comparator arm has a session; a session is donor material given",
    )
    bare = patients.filter(pl.col("arm").is_in(TREATED_ARMS)).join(sessions, on="patient_id", how="anti")
    yield problems_at(
        bare,
        "patients",
        column="patient_id",
        rule="no_session",
        message="a treated patient without a session",
        severity="warning",
    )


def check_index(tables: Tables) -> Found:
    """Study time zero of a treated patient is the first session at the patient's centre."""
    patients = tables.read("patients", "patient_id", "site_id", "arm", "index_day")
    sessions = tables.read("sessions", "patient_id", "site_id", "administered_day").drop("row")
    here = sessions.join(patients, on="patient_id", suffix="_patient").filter(
        (pl.col("site_id") == pl.col("site_id_patient")).fill_null(True)
    )
    first = here.group_by("patient_id").agg(
        pl.col("administered_day").min(), pl.col("administered_day").null_count().alias("n_undated")
    )
    joined = patients.join(first, on="patient_id", how="inner", maintain_order="left")
    broken = joined.filter(pl.col("index_day") != pl.col("administered_day"), pl.col("n_undated") == 0)
    message = "index is not the day of the first session at the patient's centre"
    yield problems_at(broken, "patients", column="index_day", rule="index_is_first_session", message=message)


def check_own_donor(tables: Tables) -> Found:
    """Nobody is their own donor, unless the donor is autologous; and that donor gives to nobody else."""
    links = (
        tables.read("sessions", "session_id", "patient_id")
        .join(tables.read("session_units", "session_id", "unit_id").drop("row"), on="session_id")
        .join(tables.read("unit_donors", "unit_id", "donor_id").drop("row"), on="unit_id")
        .join(
            tables.read("donors", "donor_id", "kind", "patient_id").drop("row"),
            on="donor_id",
            suffix="_donor",
            maintain_order="left",
        )
    )
    is_self = (pl.col("donor_id") == pl.col("patient_id")) | (
        pl.col("patient_id_donor") == pl.col("patient_id")
    ).fill_null(False)
    is_autologous = (pl.col("kind") == "autologous").fill_null(False)
    is_declared = (pl.col("patient_id_donor") == pl.col("patient_id")).fill_null(False)
    broken = links.filter((is_self & ~is_autologous) | (is_autologous & ~is_declared)).unique(
        "row", keep="first", maintain_order=True
    )
    yield problems_at(
        broken,
        "sessions",
        column="donor_id",
        rule="own_donor",
        message="the donor is the recipient and not declared autologous for this patient, or autologous "
        "material went to somebody else",
    )


def check_historical_units(tables: Tables) -> Found:
    """Historical material is a record of the past: it is never issued."""
    units = tables.read("units", "unit_id", "release_pathway").drop("row")
    historical = units.filter(pl.col("release_pathway") == "historical")
    issued = tables.read("custody", "unit_id", "event").filter(pl.col("event") == "issued")
    broken = issued.join(historical, on="unit_id", how="semi", maintain_order="left")
    message = "a historical unit was issued; its screening is unknown"
    yield problems_at(broken, "custody", column="unit_id", rule="historical_issued", message=message)


def check_custody_sequence(tables: Tables) -> Found:
    """The events of a unit have one order."""
    frame = tables.read("custody", "unit_id", "sequence")
    broken = frame.filter(~pl.struct("unit_id", "sequence").is_first_distinct())
    message = "another event of the unit has this place in its order"
    yield problems_at(broken, "custody", column="sequence", rule="custody_sequence", message=message)


def check_consent_subject(tables: Tables) -> Found:
    """A consent is a patient's or a donor's."""
    yield _exactly_one(
        tables.read("consents", "patient_id", "donor_id"),
        "consents",
        ("patient_id", "donor_id"),
        "consent_subject",
    )


def check_sample_source(tables: Tables) -> Found:
    """A sample comes from exactly one of a patient, a donor, a batch, or is a control.

    One that names none is a warning: a published profile without metadata can be looked at on its own.
    """
    sources = ("patient_id", "donor_id", "batch_id", "control")
    frame = tables.read("samples", *sources)
    n_given = pl.sum_horizontal([pl.col(c).is_not_null() for c in sources])
    column, rule = ";".join(sources), "sample_source"
    message = "more than one of " + ", ".join(sources) + " is given"
    yield problems_at(frame.filter(n_given > 1), "samples", column=column, rule=rule, message=message)
    message = "whose sample this is is unknown"
    yield problems_at(
        frame.filter(n_given == 0), "samples", column=column, rule=rule, message=message, severity="warning"
    )


def _exactly_one(frame: pl.DataFrame, table: str, columns: tuple[str, ...], rule: str) -> pl.DataFrame:
    n_given = pl.sum_horizontal([pl.col(c).is_not_null() for c in columns])
    message = "exactly one of " + ", ".join(columns) + " is needed"
    return problems_at(
        frame.filter(n_given != 1), table, column=";".join(columns), rule=rule, message=message
    )


def check_recorded_routes(tables: Tables) -> Found:
    """No session names a parenteral route in the words of its source."""
    frame = tables.read("sessions", "route_as_recorded")
    parenteral = [
        words for words in frame["route_as_recorded"].unique().drop_nulls() if _is_parenteral(words)
    ]
    yield problems_at(
        frame.filter(pl.col("route_as_recorded").is_in(parenteral)),
        "sessions",
        column="route_as_recorded",
        rule="parenteral_route",
        message="a parenteral route of administration; donor material goes into the gut only",
        severity="safety",
    )


def _is_parenteral(words: str) -> bool:
    from commensal.errors import SafetyError
    from commensal.vocabulary.routes import refuse_parenteral

    try:
        refuse_parenteral(words)
    except SafetyError:
        return True
    return False


def check_data_cut(tables: Tables) -> Found:
    """Nothing that was observed lies after the last day data were collected."""
    manifest = tables.study.manifest
    if manifest.clock != "calendar" or manifest.data_cut_day is None:
        return
    for table, day in (*LIVED, ("dispositions", "occurred_day"), ("samples", "collected_day")):
        frame = tables.read(table, day)
        broken = frame.filter(pl.col(day) > manifest.data_cut_day)
        message = "after the data cut of the manifest"
        yield problems_at(
            broken, table, column=day, rule="after_data_cut", message=message, severity="warning"
        )


RULES = (
    check_order_of_days,
    check_life,
    check_one_death,
    check_same_patient,
    check_comparators,
    check_index,
    check_own_donor,
    check_historical_units,
    check_custody_sequence,
    check_consent_subject,
    check_sample_source,
    check_recorded_routes,
    check_data_cut,
)
