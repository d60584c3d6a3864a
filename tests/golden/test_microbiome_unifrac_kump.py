"""UniFrac, Faith and Bray–Curtis of a real study on its own tree, against scikit-bio 0.7."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from commensal.formats import import_study
from commensal.microbiome.abundance import abundance_of
from commensal.microbiome.diversity.distances import study_distances
from commensal.microbiome.diversity.phylogeny import MIDPOINT, faith_pd, tree_of
from commensal.study import Study

DATA = Path(os.environ.get("COMMENSAL_DATA", "absent"))
pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs the real studies (COMMENSAL_DATA)"),
]


@pytest.fixture(scope="module")
def kump(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return import_study("tidy", DATA / "kump2017_uc_16s", tmp_path_factory.mktemp("kump") / "study")


def test_kump_on_its_tree_agrees_with_scikit_bio(kump: Study) -> None:
    from skbio import TreeNode
    from skbio.diversity import alpha_diversity, beta_diversity

    tree = tree_of(kump)
    assert tree.rooting == MIDPOINT
    path = DATA / "kump2017_uc_16s" / "tree.nwk"
    theirs = TreeNode.read(path, format="newick", convert_underscores=False).root_at_midpoint()
    whole = abundance_of(kump)
    counts, taxa = whole.values.toarray().astype(int), list(whole.taxon_ids)
    expected = alpha_diversity("faith_pd", counts, taxa=taxa, tree=theirs)
    assert faith_pd(whole, tree) == pytest.approx(expected.to_numpy(), abs=1e-9)
    some = [*range(0, len(counts), 9)]
    ids = [whole.sample_ids[i] for i in some]
    for distance, arguments in {
        "unweighted_unifrac": ("unweighted_unifrac", {}),
        "weighted_unifrac": ("weighted_unifrac", {"normalized": False}),
        "weighted_normalized_unifrac": ("weighted_unifrac", {"normalized": True}),
    }.items():
        found = study_distances(kump, distance=distance, samples=ids)
        assert found.sample_ids == tuple(ids)
        metric, options = arguments
        peer = beta_diversity(metric, counts[some], taxa=taxa, tree=theirs, **options)
        assert np.abs(found.values - peer.data).max() < 1e-12
    shares = whole.proportions.toarray()[some]
    peer = beta_diversity("braycurtis", shares)
    assert np.abs(study_distances(kump, samples=ids).values - peer.data).max() < 1e-12
