"""Source attribution in a synthetic centre against what was planted there.

The simulator plants how many of a donor's new taxa settle, not a share of reads. A resident taxon keeps its
own level there even where the donor has it too, so that the reads of taxa which the donor has and the
baseline lacks are the donor's whole share: the truth of a sample with one donor, up to what was not seen.
"""

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from commensal.microbiome.abundance import abundance_of
from commensal.microbiome.attribution.attribute import attribute
from commensal.microbiome.comparisons import comparisons
from commensal.simulate import simulate
from commensal.study import Study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return simulate(tmp_path_factory.mktemp("centre") / "study", n_patients=400, seed=5)


@pytest.fixture(scope="module")
def attributed(centre: Study) -> pl.DataFrame:
    return attribute(centre).with_columns(pl.col("reason").fill_null(""))


def gained(study: Study) -> pl.DataFrame:
    """Share of the reads of each sample after one donor in taxa the donor has and the baseline lacks."""
    abundance = abundance_of(study)
    depth = dict(zip(abundance.sample_ids, abundance.totals.tolist(), strict=True))

    def of(sample: str) -> np.ndarray:
        return abundance.proportions[[abundance.rows[sample]]].toarray()[0]

    rows = []
    for c in comparisons(study, depth=depth, profiled=abundance.sample_ids):
        if c.sample_id is None or c.is_before is not False or c.donor.reason or c.baseline.reason:
            continue
        if len(c.donor.sample_ids) == 1:
            new = (of(c.donor.sample_ids[0]) > 0) & (of(c.baseline.sample_ids[0]) == 0)
            rows.append((c.sample_id, of(c.sample_id)[new].sum()))
    return pl.DataFrame(rows, schema=["sink_id", "gained"], orient="row")


def test_the_donors_share_follows_what_was_planted(centre: Study, attributed: pl.DataFrame) -> None:
    planted = centre.truth("engraftment").rename({"sample_id": "sink_id"})
    swapped = centre.truth("planted").filter(pl.col("kind") == "mislabelled_sample")["id"]
    found = (
        attributed.filter((pl.col("source_role") == "donor") & pl.col("proportion").is_not_null())
        .join(gained(centre), on="sink_id")
        .join(planted.filter(pl.col("n_brought") > 0), on="sink_id")
        .filter(~pl.col("sink_id").is_in(swapped.implode()))
    )
    assert found.height > 60
    settled = found["n_settled"] / found["n_brought"]
    assert spearmanr(found["proportion"], settled).statistic > 0.6
    assert spearmanr(found["proportion"], found["gained"]).statistic > 0.75
    # Taxa that both have are shared out between donor and patient: the donor's part is too large, not small.
    bias = (found["proportion"] - found["gained"]).mean()
    assert 0.0 < bias < 0.09
    holds = (found["lower"] <= found["gained"]) & (found["gained"] <= found["upper"])
    # Measured: .89 to .93; for the same reason the intervals do not hold 95 % here.
    assert holds.mean() > 0.85


def test_a_sample_before_the_transplant_is_a_control(attributed: pl.DataFrame) -> None:
    before = attributed.filter(pl.col("is_before") & pl.col("proportion").is_not_null())
    assert before.height > 60
    assert before["reason"].str.contains("a control").all()
    donors = before.filter(pl.col("source_role") == "donor")
    assert donors["proportion"].mean() < 0.06
    assert donors["proportion"].median() < 0.02
    own = attributed.filter(pl.col("is_before") & (pl.col("source_role") == "baseline"))
    assert own["proportion"].is_null().all()


def test_little_is_of_unknown_source_where_all_sources_are_known(attributed: pl.DataFrame) -> None:
    after = attributed.filter(~pl.col("is_before") & (pl.col("source_role") == "unknown"))
    has_own = attributed.filter((pl.col("source_role") == "baseline") & pl.col("proportion").is_not_null())
    known = after.join(has_own.select("sink_id"), on="sink_id")
    assert known["proportion"].median() < 0.03
