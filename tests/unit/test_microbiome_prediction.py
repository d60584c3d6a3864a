"""Prediction of the community: features never see the answer, the fast path equals the plain one."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from commensal.errors import InputError, RefusedError
from commensal.microbiome.prediction.auroc import auroc, resampled
from commensal.microbiome.prediction.donors import donor_terms, expected_engraftment, expected_gain, predict
from commensal.microbiome.prediction.features import FEATURES, Pool, Tally, features, rates, tally
from commensal.microbiome.prediction.model import (
    CommunityModel,
    crossed,
    fit,
    model_of,
    presence,
    ridge_logistic,
    train,
)
from commensal.microbiome.prediction.triads import triads
from commensal.microbiome.prediction.validation import (
    LOGISTIC,
    PREVALENCE,
    held_out_predictions,
    validate_prediction,
)
from commensal.study import Manifest, Study, study_of

N_TAXA = 40


def drawn_pool(*, sizes: tuple[int, ...] = (9, 8, 7), seed: int = 1, donor_log_odds: float = 2.0) -> Pool:
    """Recipients of several studies; the donor's having a taxon raises its log-odds after FMT."""
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    common = rng.normal(-0.5, 1.5, N_TAXA)
    shape = (n, N_TAXA)
    donor, baseline = (rng.random(shape) < 1 / (1 + np.exp(-common)) for _ in range(2))
    log_odds = common - 1 + donor_log_odds * donor + 1.5 * baseline
    after = rng.random(shape) < 1 / (1 + np.exp(-log_odds))
    reads = [np.where(p, rng.integers(1, 3000, shape), 0).astype(float) for p in (donor, baseline, after)]
    return Pool(
        studies=tuple("abcdef"[: len(sizes)]),
        study=np.repeat(np.arange(len(sizes)), sizes),
        taxon_ids=tuple(f"t{i:02d}" for i in range(N_TAXA)),
        parents=tuple(f"family {i % 5}" for i in range(N_TAXA)),
        donor=reads[0],
        baseline=reads[1],
        after=reads[2],
        routes=(None,) * n,
        preparations=(None,) * n,
    )


def drawn_study(pool: Pool, position: int, *, assay: str = "16s", prefix: str = "t") -> Study:
    """One study of a pool, as a study: a donor each, samples on days -7, 28 and 60."""
    rows = np.flatnonzero(pool.study == position)
    patients = [f"P{r}" for r in rows]
    samples, abundances = [], []
    for row, patient in zip(rows, patients, strict=True):
        parts = [("donor", None, pool.donor), ("pre", -7, pool.baseline)]
        parts += [("post", 28, pool.after), ("late", 60, pool.baseline)]
        for word, day, reads in parts:
            sample = f"{patient}-{word}"
            owner = (None, f"D{row}") if word == "donor" else (patient, None)
            samples.append((sample, *owner, "run", word, day))
            # One taxon that all have in depth, so that every sample has enough reads.
            abundances += [(sample, f"{prefix}{t:02d}", int(v)) for t, v in enumerate(reads[row]) if v > 0]
            abundances.append((sample, f"{prefix}deep", 9000))
    names = [f"{prefix}{t:02d}" for t in range(N_TAXA)] + [f"{prefix}deep"]
    schema = {"sample_id": pl.String, "patient_id": pl.String, "donor_id": pl.String, "run_id": pl.String}
    return study_of(
        {
            "patients": pl.DataFrame({"patient_id": patients, "arm": "fmt", "index_day": 0}),
            "sessions": pl.DataFrame(
                {
                    "session_id": patients,
                    "patient_id": patients,
                    "administered_day": 0,
                    "route": [pool.routes[r] for r in rows],
                },
                schema_overrides={"route": pl.String},
            ),
            "session_units": pl.DataFrame({"session_id": patients, "unit_id": patients}),
            "units": pl.DataFrame({"unit_id": patients, "release_pathway": "historical"}),
            "unit_donors": pl.DataFrame({"unit_id": patients, "donor_id": [f"D{r}" for r in rows]}),
            "donors": pl.DataFrame({"donor_id": [f"D{r}" for r in rows], "kind": "universal"}),
            "samples": pl.DataFrame(
                samples,
                schema={**schema, "timepoint": pl.String, "collected_day": pl.Int32},
                orient="row",
            ),
            "sequencing_runs": pl.DataFrame({"run_id": ["run"], "assay": [assay]}),
            "taxa": pl.DataFrame(
                {
                    "taxon_id": names,
                    "genus": names,
                    "family": [f"family {i % 5}" for i in range(N_TAXA)] + ["family deep"],
                }
            ),
            "abundances": pl.DataFrame(abundances, schema=["sample_id", "taxon_id", "count"], orient="row"),
            "reported_outcomes": pl.DataFrame(
                {
                    "outcome_id": patients,
                    "patient_id": patients,
                    "label": ["response" if i % 2 else "no_response" for i in range(len(patients))],
                }
            ),
        },
        manifest=Manifest(origin="drawn", clock="patient"),
    )


def drawn_studies(pool: Pool, **given: str) -> dict[str, Study]:
    return {name: drawn_study(pool, i, **given) for i, name in enumerate(pool.studies)}


def naive_auroc(score: np.ndarray, present: np.ndarray, weight: np.ndarray) -> float:
    right = possible = 0.0
    for s, p, w in zip(score, present, weight, strict=True):
        for t, q, v in zip(score, present, weight, strict=True):
            if p and not q:
                possible += w * v
                right += w * v * ((s > t) + 0.5 * (s == t))
    return right / possible if possible else np.nan


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(st.data())
def test_auroc_equals_every_pair_compared(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 25))
    score = np.array(data.draw(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9]), min_size=n, max_size=n)))
    present = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    recipient = np.array(data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=5, max_size=5)), dtype=float)
    found = auroc(score, present, recipient, weights[None, :])[0]
    expected = naive_auroc(score, present, weights[recipient])
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_auroc_does_not_change_with_the_size_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    score, present = rng.random(300).round(2), rng.random(300) < 0.4
    recipient = rng.integers(0, 30, 300)
    weights = resampled(np.zeros(30, dtype=int), seed=1, stream=0)[:5]
    whole = auroc(score, present, recipient, weights)
    monkeypatch.setattr("commensal.microbiome.prediction.auroc.BLOCK", 7)
    assert auroc(score, present, recipient, weights) == pytest.approx(whole, abs=1e-12)


def test_within_strata_only_recipients_of_one_stratum_are_compared() -> None:
    score = np.array([0.9, 0.1, 0.2, 0.15])
    present = np.array([True, False, True, False])
    alone = auroc(score, present, np.arange(4), np.ones((1, 4)), stratum=np.array([0, 0, 1, 1]))
    assert alone[0] == 1.0
    shifted = auroc(
        score + np.array([0, 0, -1, -1]),
        present,
        np.arange(4),
        np.ones((1, 4)),
        stratum=np.array([0, 0, 1, 1]),
    )
    assert shifted[0] == 1.0
    assert auroc(score + np.array([0, 0, -1, -1]), present, np.arange(4), np.ones((1, 4)))[0] == 0.75


@pytest.mark.parametrize("strength", [0.001, 0.1, 10.0])
def test_ridge_logistic_agrees_with_scikit_learn(strength: float) -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(400, 5)) * [1, 3, 0.2, 1, 1] + 2
    target = rng.random(400) < 1 / (1 + np.exp(-rows[:, 0] + rows[:, 1] / 2))
    slopes, intercept = ridge_logistic(rows, target, strength=strength)
    middle, scale = rows.mean(axis=0), rows.std(axis=0)
    peer = LogisticRegression(C=strength, tol=1e-12, max_iter=10_000).fit((rows - middle) / scale, target)
    assert slopes == pytest.approx(peer.coef_[0] / scale, abs=1e-5)
    assert intercept == pytest.approx(peer.intercept_[0] - slopes @ middle, abs=1e-4)


def test_separable_rows_and_a_constant_feature_still_have_finite_slopes() -> None:
    rows = np.column_stack([np.arange(20.0), np.ones(20)])
    slopes, intercept = ridge_logistic(rows, rows[:, 0] > 9, strength=1.0)
    assert np.isfinite([*slopes, intercept]).all()
    assert slopes[1] == pytest.approx(0.0)
    assert -intercept / slopes[0] == pytest.approx(9.5)


def test_rates_are_shrunk_as_written() -> None:
    n = np.array([[2, 2], [0, 0], [2, 2], [0, 0]])
    n_present = np.array([[0, 0], [0, 0], [2, 0], [0, 0]])
    known = rates(Tally(n, n_present), ["f", "f"])
    overall = 2.5 / 9  # 2 of 8 recipient–taxon pairs, half a pair added
    parent = (2 + 5 * overall) / (8 + 5)
    assert known.parent == pytest.approx(parent)
    assert known.after == pytest.approx([(2 + 2 * parent) / 6, (2 * parent) / 6])
    donor_alone = (2 + 5 * (2.5 / 5)) / (4 + 5)
    assert known.by_cell[2] == pytest.approx([(2 + 2 * donor_alone) / 4, (2 * donor_alone) / 4])


def test_rates_do_not_depend_on_unseen_taxa_asked_for() -> None:
    counts = tally(drawn_pool())
    alone = rates(counts, drawn_pool().parents)
    absent = np.zeros((4, 3), dtype=int)
    absent[0] = counts.n_recipients
    wider = Tally(np.hstack([counts.n, absent]), np.hstack([counts.n_present, 0 * absent]))
    found = rates(wider, [*drawn_pool().parents, "family 1", "nowhere", ""])
    assert found.after[:N_TAXA] == pytest.approx(alone.after, abs=1e-15)
    assert found.by_cell[:, :N_TAXA] == pytest.approx(alone.by_cell, abs=1e-15)
    # Never seen among 24 recipients: rarer than its family.
    assert found.after[N_TAXA] < found.parent[N_TAXA]


def test_features_of_a_recipient_do_not_see_its_own_study() -> None:
    pool = drawn_pool()
    own = pool.study == 1
    other = dataclasses.replace(pool, after=np.where(own[:, None], 1.0 - (pool.after > 0), pool.after))
    assert np.array_equal(crossed(pool)[own], crossed(other)[own])
    assert not np.array_equal(crossed(pool)[~own], crossed(other)[~own])


def test_absence_in_a_deep_sample_counts_for_more() -> None:
    pool = drawn_pool()
    known = rates(tally(pool), pool.parents)
    shallow = features(np.zeros((1, N_TAXA)) + np.eye(N_TAXA)[:1] * 5_000, pool.baseline[:1], known)
    deep = features(np.zeros((1, N_TAXA)) + np.eye(N_TAXA)[:1] * 500_000, pool.baseline[:1], known)
    column = FEATURES.index("donor_abundance")
    assert (deep[0, 1:, column] < shallow[0, 1:, column] - 1.9).all()
    assert deep[0, 0, column] == pytest.approx(shallow[0, 0, column], abs=1e-3)


def test_the_order_of_recipients_and_taxa_changes_nothing() -> None:
    pool = drawn_pool()
    model = fit(pool)
    order, taxa = np.arange(len(pool.study))[::-1], np.arange(N_TAXA)[::-1]
    turned = pool.of(order)
    turned = dataclasses.replace(
        turned,
        donor=turned.donor[:, taxa],
        baseline=turned.baseline[:, taxa],
        after=turned.after[:, taxa],
        taxon_ids=pool.taxon_ids[::-1],
        parents=pool.parents[::-1],
    )
    other = fit(turned)
    assert other.coefficients == pytest.approx(model.coefficients, abs=1e-8)
    assert presence(other, turned)[order][:, taxa] == pytest.approx(presence(model, pool), abs=1e-8)


def test_a_model_comes_back_from_json() -> None:
    model = fit(drawn_pool())
    again = model_of(model.as_json())
    assert again.as_json() == model.as_json()
    assert np.array_equal(presence(again, drawn_pool(seed=2)), presence(model, drawn_pool(seed=2)))
    with pytest.raises(InputError, match="no community model"):
        model_of('{"taxon_ids": []}')


def test_a_model_that_does_not_fit_its_taxa_is_refused() -> None:
    model = fit(drawn_pool())
    with pytest.raises(InputError, match="do not fit its taxa"):
        dataclasses.replace(model, taxon_ids=model.taxon_ids[:-1])
    with pytest.raises(InputError, match="not a number"):
        dataclasses.replace(model, intercept=float("nan"))


def routed(pool: Pool, routes: list[str | None]) -> Pool:
    return dataclasses.replace(pool, routes=tuple(routes))


def test_a_route_counts_only_where_it_varies_within_a_study() -> None:
    pool = drawn_pool()
    confounded = ["colonoscopy" if s == 0 else "capsule" for s in pool.study]
    assert fit(routed(pool, confounded)).levels == ()
    varied: list[str | None] = ["colonoscopy" if i % 2 else "capsule" for i in range(len(pool.study))]
    helped = dataclasses.replace(
        routed(pool, varied),
        after=np.where(np.array([r == "colonoscopy" for r in varied])[:, None], pool.after, 0.0),
    )
    model = fit(helped)
    assert model.levels == (("route", "colonoscopy"),)
    assert model.coefficients[-1] > 1
    unknown = presence(model, routed(helped, [None] * len(varied)))
    assert (presence(model, routed(helped, ["capsule"] * len(varied))) < unknown).all()
    assert (presence(model, routed(helped, ["colonoscopy"] * len(varied))) > unknown).all()


def plain_engraftment(model: CommunityModel, recipient: np.ndarray, pool: Pool) -> list[float]:
    """Twin: the probability of every pair, averaged over what the donor has and the baseline lacks."""
    n = len(pool.study)
    asked = dataclasses.replace(pool, baseline=np.repeat(recipient[None, :], n, axis=0))
    chance = presence(model, asked)
    offered = (asked.donor > 0) & (asked.baseline == 0)
    return [float(p[o].mean()) if o.any() else 0.0 for p, o in zip(chance, offered, strict=True)]


@pytest.mark.parametrize("route", [None, "capsule", "colonoscopy"])
def test_expected_engraftment_equals_its_plain_twin(route: str | None) -> None:
    pool = drawn_pool()
    varied: list[str | None] = ["colonoscopy" if i % 2 else "capsule" for i in range(len(pool.study))]
    model = fit(routed(pool, varied))
    donors = routed(drawn_pool(seed=5), [route] * len(varied))
    donors = dataclasses.replace(
        donors, taxon_ids=(*donors.taxon_ids[:-2], "stranger", "new"), parents=(*donors.parents[:-1], "")
    )
    donors.donor[3] = 0.0
    recipient = drawn_pool(seed=6).baseline[0]
    terms = donor_terms(model, donors.donor, taxon_ids=donors.taxon_ids, parents=donors.parents)
    found = expected_engraftment(model, recipient, terms, route=route)
    assert found == pytest.approx(plain_engraftment(model, recipient, donors), abs=1e-12)
    assert found[3] == 0.0
    gained, offered = expected_gain(model, recipient, terms, route=route)
    assert gained == pytest.approx(found * offered)
    assert offered[0] == ((donors.donor[0] > 0) & (recipient == 0)).sum()


def test_a_recipient_on_another_axis_is_refused() -> None:
    model, pool = fit(drawn_pool()), drawn_pool()
    terms = donor_terms(model, pool.donor, taxon_ids=pool.taxon_ids, parents=pool.parents)
    with pytest.raises(InputError, match="taxa"):
        expected_engraftment(model, np.zeros(3), terms)


def test_the_sample_nearest_to_the_day_is_taken() -> None:
    pool = drawn_pool()
    study = drawn_study(pool, 0)
    near = triads(study, name="a")
    assert set(near.days) == {28}
    columns = [int(t[1:]) for t in near.taxon_ids[:-1]]
    assert (near.after[:, :-1] > 0).tolist() == (pool.after[pool.study == 0][:, columns] > 0).tolist()
    assert set(triads(study, name="a", on_day=59).days) == {60}


def test_recipients_without_a_triad_have_their_reason() -> None:
    study = drawn_study(drawn_pool(), 0)
    shallow = triads(study, name="a", min_reads=10_000_000)
    assert shallow.subject_ids == ()
    assert len(shallow.left_out) == 9
    assert all("fewer than 10,000,000" in reason for reason in shallow.left_out.values())


@pytest.mark.slow
def test_predictions_have_a_row_for_each_donor_and_taxon() -> None:
    pool = drawn_pool()
    studies = drawn_studies(pool)
    model = train({name: studies[name] for name in ("a", "b")})
    table = predict(model, studies["c"], recipient="P17", donors=["D17", "D18"])
    assert not table.select("donor_id", "taxon_id").is_duplicated().any()
    assert table["probability"].is_between(0, 1, closed="none").all()
    one = table.filter((pl.col("donor_id") == "D17") & (pl.col("taxon_id") != "tdeep"))
    columns = [int(t[1:]) for t in one["taxon_id"]]
    assert len(columns) > 30
    assert one["is_in_donor"].to_list() == (pool.donor[17, columns] > 0).tolist()
    trained = pool.after[pool.study < 2][:, columns]
    assert one["prevalence"].to_list() == pytest.approx((trained > 0).mean(axis=0))
    assert predict(model, studies["c"], recipient="P17")["donor_id"].n_unique() == 7
    for wrong, words in (
        ({"recipient": "P99"}, "no recipient"),
        ({"recipient": "P17", "donors": ["D1"]}, "D1"),
    ):
        with pytest.raises((InputError, RefusedError), match=words):
            predict(model, studies["c"], **wrong)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("other", "words"), [({"assay": "shotgun"}, "assay"), ({"prefix": "OTU"}, "share 0 of")]
)
def test_studies_that_cannot_be_pooled_are_refused(other: dict[str, str], words: str) -> None:
    pool = drawn_pool()
    mixed = {"a": drawn_study(pool, 0), "b": drawn_study(pool, 1, **other)}
    with pytest.raises(RefusedError, match=words):
        train(mixed)


def test_too_few_recipients_are_refused_with_their_number() -> None:
    with pytest.raises(RefusedError, match="9 recipients"):
        train({"a": drawn_study(drawn_pool(), 0)})
    with pytest.raises(RefusedError, match="1 studies"):
        validate_prediction({"a": drawn_study(drawn_pool(), 0)}, seed=1)


@pytest.mark.slow
def test_validation_has_every_study_universe_and_model() -> None:
    studies = drawn_studies(drawn_pool())
    table = validate_prediction(studies, seed=4)
    main = table.filter(~pl.col("model").str.starts_with("clinical"))
    assert main.height == 4 * 2 * 4
    assert table.select("held_out", "universe", "model").is_duplicated().any() is False
    assert table.filter(pl.col("auroc").is_null() & pl.col("reason").is_null()).is_empty()
    assert not any(table[c].is_nan().any() for c in ("auroc", "lower", "difference_lower"))
    assert validate_prediction(studies, seed=4).equals(table)
    assert not validate_prediction(studies, seed=5)["lower"].equals(table["lower"])
    pairs = held_out_predictions(studies)
    shown = main.filter((pl.col("held_out") == "all") & (pl.col("universe") == "all taxa"))
    brier = dict(shown.select("model", "brier").iter_rows())
    miss = (pairs["probability"] - pairs["is_present"].cast(float)) ** 2
    assert brier[LOGISTIC] == pytest.approx(miss.mean())
    base = (pairs["prevalence"] - pairs["is_present"].cast(float)) ** 2
    assert brier[PREVALENCE] == pytest.approx(base.mean())


@pytest.mark.slow
def test_a_study_without_triads_is_a_row_with_its_reason() -> None:
    studies = drawn_studies(drawn_pool())
    tables = {n: studies["a"].read(n) for n in ("patients", "samples", "abundances", "taxa")}
    studies["bare"] = study_of(tables, manifest=Manifest(origin="drawn", clock="patient"))
    table = validate_prediction(studies, seed=4).filter(pl.col("held_out") == "bare")
    assert table.height == 1
    assert "no session recorded" in table["reason"][0]
