"""What the stool samples show: engraftment, sources, taxa gained and lost, identity, ordination."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from commensal.report import charts, digits, words
from commensal.report.views import Figure, Section, TableView

Tables = Mapping[str, pl.DataFrame]
DRAWN = ("peds_gained", "peds", "pprs", "bray_curtis_to_donor", "strain_engraftment")
TESTED = ("peds_gained", "peds")
NO_SAMPLE = (
    "No stool sample of a patient is in the study: engraftment, the sources of the communities and the "
    "labels of samples cannot be told."
)
MOST_LINES = 60
MOST_BARS = 80
MOST_TAXA = 12
MOST_POINTS = 800
PHASES = {True: "patient, before", False: "patient, after", None: "patient, unknown when"}


def engraftment(tables: Tables) -> Section | None:
    """Engraftment over time and against mismatched donors, with the reasons for what has no value."""
    rows = tables["engraftment"]
    if rows.is_empty():
        return None
    if has_no_sample(rows, "sample_id"):
        return Section("engraftment", "Engraftment", NO_SAMPLE)
    figures = [*(_over_time(rows, m) for m in DRAWN), *(_against_null(rows, m) for m in TESTED)]
    return Section(
        "engraftment",
        "Engraftment",
        "A donor's feature found after FMT may have been there before: what was gained counts only features "
        "that the recipient lacked, and mismatched donors show what resemblance comes of itself. No single "
        "number is “balance”.",
        figures=tuple(f for f in figures if f),
        tables=tuple(t for t in (_tests(tables["engraftment_tests"]), *_engraftment_tables(rows)) if t),
    )


def has_no_sample(rows: pl.DataFrame, sample: str) -> bool:
    """Whether every row tells of a patient without any sample: said once, not once for each patient."""
    return rows[sample].null_count() == rows.height


def labelled(rows: pl.DataFrame) -> pl.DataFrame:
    """Add ``label``, the recipient and the day of a sample (its id where the day is unknown)."""
    day = pl.when(pl.col("day").is_null()).then("sample_id").otherwise(pl.format("day {}", "day"))
    told = rows.with_columns(label=pl.format("{}, {}", pl.col("subject_id").fill_null("–"), day))
    twice = pl.col("label").is_in(
        told.select("label", "sample_id").unique().filter(pl.col("label").is_duplicated())["label"].implode()
    )
    return told.with_columns(
        label=pl.when(twice).then(pl.format("{} ({})", "label", "sample_id")).otherwise("label")
    )


def _over_time(rows: pl.DataFrame, measure: str) -> Figure | None:
    drawn = rows.filter(
        (pl.col("measure") == measure) & pl.col("value").is_not_null() & pl.col("day").is_not_null()
    ).sort("subject_id", "day")
    if drawn.is_empty():
        return None
    title, axis = words.MEASURES[measure], words.AXES[measure]
    if drawn["subject_id"].n_unique() <= MOST_LINES:
        chart = charts.trajectories(drawn.select("subject_id", "day", "value"), title=axis)
        return Figure(chart, f"{title}: one line per recipient, day 0 is the first session.")
    n = drawn["subject_id"].n_unique()
    chart = charts.spread(timed(drawn), title=axis)
    return Figure(chart, f"{title} in {n:,} recipients: middle half, median and range at each time point.")


def timed(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with their time points in words."""
    return rows.with_columns(pl.col("timepoint").map_elements(words.plain, return_dtype=pl.String))


def _against_null(rows: pl.DataFrame, measure: str) -> Figure | None:
    tested = rows.filter((pl.col("measure") == measure) & pl.col("null_mean").is_not_null())
    if tested.is_empty():
        return None
    if tested.height > MOST_BARS:
        apart = tested.with_columns(value=pl.col("value") - pl.col("null_mean"))
        caption = (
            f"{words.MEASURES[measure]}: own donor minus the mean of donors the recipient did not get, in "
            f"{tested['subject_id'].n_unique():,} recipients; middle half, median and range."
        )
        return Figure(charts.spread(timed(apart), title="Own minus mismatched"), caption)
    chart = charts.against_null(labelled(tested.sort("subject_id", "day")), title=words.AXES[measure])
    return Figure(
        chart,
        f"{words.MEASURES[measure]}: with the own donor (points) and the mean with donors the recipient did "
        "not get (grey ticks).",
    )


def _tests(rows: pl.DataFrame) -> TableView | None:
    if rows.is_empty():
        return None
    cells = tuple(
        (
            words.measure(r["measure"]),
            r["timepoint"] or "",
            digits.whole(r["n"]),
            digits.number(r["estimate"], digits=3),
            digits.span(r["lower"], r["upper"]),
            digits.probability(r["p"]),
            r["method"] or "",
            r["reason"] or "",
        )
        for r in rows.iter_rows(named=True)
    )
    is_long = rows.height > 12 or rows["estimate"].null_count() == rows.height
    head = ("Measure", "Time point", "Recipients", "Own minus mismatched", "Interval", "p", "Test", "Note")
    return TableView("Do recipients resemble their own donor more than other donors?", head, cells,
                     frozenset({2, 3, 4, 5}), is_folded=is_long)  # fmt: skip


def _engraftment_tables(rows: pl.DataFrame) -> list[TableView]:
    views = []
    found = rows.filter((pl.col("measure") == "peds") & pl.col("value").is_not_null())
    found = found.sort("subject_id", "day")
    if 0 < found.height <= 200:
        cells = tuple(
            (
                r["subject_id"] or "",
                r["sample_id"] or "",
                r["timepoint"] or "",
                digits.whole(r["day"]),
                digits.fraction(r["n_events"], r["n"]),
                digits.percent(r["value"]),
                digits.percent(r["null_mean"]),
                digits.probability(r["q"]),
                r["reason"] or "",
            )
            for r in found.iter_rows(named=True)
        )
        head = ("Recipient", "Sample", "Time point", "Day", "Found / donor's", "PEDS", "Mismatched", "q",
                "Caution")  # fmt: skip
        caption = "Donor's features found, sample by sample"
        views.append(TableView(caption, head, cells, frozenset({3, 4, 5, 6, 7}), found.height > 12))
    return [*views, *without_value(rows, "measure", caption="Measures without a value, and why")]


def without_value(rows: pl.DataFrame, what: str, *, caption: str, value: str = "value") -> list[TableView]:
    """Return a folded table that counts rows without a value by what was measured and why there is none."""
    silent = rows.filter(pl.col(value).is_null() & pl.col("reason").is_not_null())
    if silent.is_empty():
        return []
    counted = silent.group_by(what, "reason", maintain_order=True).len()
    cells = tuple(
        (words.measure(r[what]), r["reason"], digits.whole(r["len"])) for r in counted.iter_rows(named=True)
    )
    return [TableView(caption, ("What", "Reason", "Rows"), cells, frozenset({2}), is_folded=True)]


def attribution(tables: Tables) -> Section | None:
    """Where each community after transplant came from: donor, own baseline, other donors, unknown."""
    rows = tables["attributions"]
    if has_no_sample(rows, "sink_id"):
        return None
    known = rows.filter(pl.col("proportion").is_not_null()).rename({"sink_id": "sample_id"})
    told = labelled(known.sort("subject_id", "day", "sample_id", nulls_last=True))
    after = told.filter(pl.col("is_before").eq(False))
    figures = () if after.is_empty() else (_sources(after),)
    return Section(
        "attribution",
        "Where the community came from",
        "Shares estimated by a mixture model in which the stool given may differ from the donor's stool that "
        "was sequenced. The unknown source is part of the answer.",
        figures=figures,
        tables=(
            *_shares(told),
            *without_value(
                rows, "source_role", caption="Samples without an attribution, and why", value="proportion"
            ),
        ),
    )


def _sources(after: pl.DataFrame) -> Figure:
    n = after["sample_id"].n_unique()
    if n <= MOST_BARS:
        caption = (
            "Estimated sources of each community after FMT; lines are intervals of a single donor's share."
        )
        return Figure(charts.attribution_stacks(after), caption)
    donors = after.filter(source_role="donor").group_by("sample_id", "timepoint", "day", maintain_order=True)
    shares = donors.agg(value=pl.col("proportion").sum())
    caption = (
        f"Share of the community from the donor, {n:,} samples after FMT: middle half, median and range."
    )
    return Figure(charts.spread(timed(shares), title="From the donor"), caption)


def _shares(told: pl.DataFrame) -> list[TableView]:
    if not 0 < told.height <= 400:
        return []
    cells = tuple(
        (
            r["label"],
            r["source_id"],
            charts.ROLES[r["source_role"]],
            digits.percent(r["proportion"]),
            digits.interval(r["lower"], r["upper"], "proportion"),
            r["reason"] or "",
        )
        for r in told.iter_rows(named=True)
    )
    head = ("Sample", "Source", "Role", "Share", "Interval", "Caution")
    return [TableView("Shares by source", head, cells, frozenset({3, 4}), is_folded=True)]


def taxa(tables: Tables) -> Section | None:
    """Taxa gained from donors and taxa lost, by the number of samples."""
    rows = tables["taxon_fates"].filter(pl.col("fate").is_in(list(charts.FATES)))
    if rows.is_empty():
        return None
    counted = rows.group_by("taxon_id", "fate", maintain_order=True).agg(n=pl.len())
    most = pl.concat(
        counted.filter(fate=fate).sort("n", "taxon_id", descending=[True, False]).head(MOST_TAXA)
        for fate in charts.FATES
    )
    n_samples = tables["taxon_fates"]["sample_id"].n_unique()
    caption = f"Taxa most often gained and most often lost, over {n_samples:,} samples after FMT."
    return Section(
        "taxa",
        "Taxa gained and lost",
        "A taxon that the donor had and the recipient lacked may have come from elsewhere: only strains "
        "tell.",
        figures=(Figure(charts.taxa_changes(_named(most, tables["taxon_names"])), caption),),
    )


def _named(rows: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """Add ``label``: the name with the id, or the id alone where it is the name or nobody named it."""
    known = rows.join(names, on="taxon_id", how="left", maintain_order="left")
    both = pl.format("{} ({})", "name", "taxon_id")
    return known.with_columns(
        label=pl.when(pl.col("name").fill_null("") == "")
        .then("taxon_id")
        .when(pl.col("name") == pl.col("taxon_id"))
        .then("taxon_id")
        .otherwise(both)
    )


def identity(tables: Tables) -> Section | None:
    """Samples that do not look like what their label says."""
    rows = tables["identity"]
    if has_no_sample(rows, "sample_id"):
        return None
    counts = dict(rows["verdict"].value_counts().iter_rows())
    tiles = tuple((digits.whole(counts.get(v, 0)), label) for v, label in words.IDENTITY.items())
    flagged = rows.filter(pl.col("verdict").is_in(["wrong_donor", "sample_swap"]))
    cells = tuple(
        (
            r["sample_id"],
            r["subject_id"] or digits.DASH,
            words.IDENTITY[r["verdict"]],
            r["recorded_donor_id"] or digits.DASH,
            _likely(r["likely_donor_id"], r["donor_probability"]),
            _likely(r["likely_subject_id"], r["subject_probability"]),
            r["reason"] or "",
        )
        for r in flagged.iter_rows(named=True)
    )
    head = ("Sample", "Recorded for", "Flag", "Recorded donor", "Likely donor", "Likely patient", "To check")
    return Section(
        "identity",
        "Are the samples whose labels they carry?",
        "A flag asks a person to look at labels, plates and custody. Nothing is relabelled.",
        tiles=tiles,
        tables=(TableView("Samples to check", head, cells),) if cells else (),
    )


def _likely(who: str | None, probability: float | None) -> str:
    return digits.DASH if who is None else f"{who} ({digits.percent(probability, digits=0)})"


def ordination(tables: Tables) -> Section | None:
    """Samples in the plane of the two main axes, one picture for each set that can be compared."""
    rows = tables["ordination"].filter(pl.col("axis_1").is_not_null())
    if rows.is_empty():
        return None
    told = rows.with_columns(
        who=pl.when(pl.col("subject_id").is_null())
        .then(pl.lit("donor"))
        .otherwise(pl.col("is_before").replace_strict(PHASES, return_dtype=pl.String))
    )
    figures = tuple(
        _plane(str(distance), part)
        for (distance, _), part in told.group_by("distance", "setting", maintain_order=True)
    )
    silent = tables["ordination"].filter(pl.col("axis_1").is_null())
    return Section(
        "ordination",
        "The communities on a plane",
        "Two axes hold part of the variation only; distance on the picture is not distance in full.",
        figures=figures,
        tables=tuple(without_value(silent, "distance", caption="Samples not drawn", value="axis_1")),
    )


def _plane(distance: str, part: pl.DataFrame) -> Figure:
    every = -(-part.height // MOST_POINTS)
    cut = "" if every == 1 else f" One sample in {every} is drawn, of {part.height:,}."
    chart = charts.ordination(part.gather_every(every), who="who")
    return Figure(chart, f"{words.measure(distance)}: each point is a sample; near points are alike.{cut}")
