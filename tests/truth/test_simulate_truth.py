"""The planted figures are in the data, and the data are in agreement with the truth kept beside them."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from commensal.simulate import read_scenario, simulate
from commensal.simulate.centre import Story, draw_story
from commensal.simulate.followup import SCHEDULE, VISIT_CODES
from commensal.simulate.run import centre_sizes
from commensal.study import Study

pytestmark = pytest.mark.slow

CENTRES = 6  # stories of 4,000 patients: the Monte-Carlo error of a share of 0.3 in 10 % of them is 0.009
STANDARD_ERRORS = 4.0


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return simulate(tmp_path_factory.mktemp("simulate") / "study", n_patients=2000, seed=11)


@pytest.fixture(scope="module")
def stories() -> list[Story]:
    scenario = read_scenario("null")
    return [draw_story(scenario, 4000, centre=c, seed=101) for c in range(CENTRES)]


def is_near(observed: float, expected: float, n: int) -> bool:
    se = np.sqrt(max(expected * (1 - expected), 1e-9) / n)
    return abs(observed - expected) <= STANDARD_ERRORS * se


def shares(stories: list[Story], position: int, day: float) -> tuple[int, int]:
    """Responders and patients of an indication: treated, active at baseline, deaths and colectomy aside."""
    well = total = 0
    for s in stories:
        rows = np.flatnonzero(
            (s.patients.disorder == position) & s.patients.is_treated & s.patients.is_active
        )
        well += int(s.course.is_responding(rows, day).sum())
        total += len(rows)
    return well, total


@pytest.mark.parametrize("position", range(13))
def test_response_at_month_3_and_retention_at_one_year_are_the_scenarios(
    stories: list[Story], position: int
) -> None:
    disorder = read_scenario("null").indications[position]
    early, n = shares(stories, position, 91.0)
    late, _ = shares(stories, position, 365.0)
    assert is_near(early / n, disorder.month_3_response, n)
    assert is_near(late / n, disorder.month_3_response * disorder.retention_year_1, n)


def test_mix_of_indications_routes_and_sex(stories: list[Story]) -> None:
    scenario = read_scenario("null")
    disorder = np.concatenate([s.patients.disorder for s in stories])
    route = np.concatenate([s.patients.route for s in stories])
    for position, d in enumerate(scenario.indications):
        assert is_near(float((disorder == position).mean()), d.share, len(disorder))
    upper = [i for i, code in enumerate(scenario.routes) if code.startswith(("naso", "gastroscopy"))]
    # Children under seven move from capsules to a tube, so the share may lie a little above 45 %.
    assert 0.44 < np.isin(route, upper).mean() < 0.48
    assert np.concatenate([s.patients.is_female for s in stories]).mean() == pytest.approx(0.60, abs=0.02)


@pytest.mark.parametrize(
    ("code", "low", "high"), [("M3", 0.83, 0.87), ("Y1", 0.55, 0.65), ("Y5", 0.25, 0.40)]
)
def test_observed_share_of_those_due(stories: list[Story], code: str, low: float, high: float) -> None:
    position = VISIT_CODES.index(code)
    seen = due = 0
    for s in stories:
        cut = 20_697 - s.patients.index_day  # 2026-09-01
        is_due = cut >= SCHEDULE[position][1] + 90
        visits = s.follow_up.visits
        mine = visits.is_attended & (visits.kind == position) & is_due[visits.row]
        seen, due = seen + int(mine.sum()), due + int(is_due.sum())
    assert low <= seen / due <= high


def test_adverse_events_per_session_and_serious_events_per_patient(stories: list[Story]) -> None:
    ill = given = serious = treated = 0
    for s in stories:
        per_patient = np.bincount(
            s.events.row[(s.events.session >= 0) & ~s.events.is_serious], minlength=4000
        )
        ill, given = ill + int(per_patient.sum()), given + len(s.sessions)
        serious += int(s.events.is_serious.sum())
        treated += int(s.patients.is_treated.sum())
    # Events cluster in patients: twice the binomial error.
    assert abs(ill / given - 0.19) < 2 * STANDARD_ERRORS * np.sqrt(0.19 * 0.81 / given)
    assert is_near(serious / treated, 0.014, treated)


def test_serious_events_rise_with_the_upper_route_and_mucosal_injury(stories: list[Story]) -> None:
    from commensal.simulate.safety import serious_probability

    scenario, patients = read_scenario("null"), stories[0].patients
    p = serious_probability(scenario, patients)
    mine = patients.is_treated
    plain = p[mine & ~patients.is_upper_route & ~patients.is_mucosa_injured][0]
    upper = p[mine & patients.is_upper_route & ~patients.is_mucosa_injured][0]
    injured = p[mine & ~patients.is_upper_route & patients.is_mucosa_injured][0]
    assert upper / plain == pytest.approx(1.5)
    assert injured / plain == pytest.approx(4.0)
    assert p[~mine].max() == 0.0


def leaving_model(stories: list[Story]) -> tuple[float, float]:
    """Log-odds (and standard error) of leaving before year 1 by the latent state on that day, among those
    kept at month 6, given what was recorded: state at month 6, route, age. Newton's method."""
    rows, left = [], []
    for s in stories:
        visits = s.follow_up.visits
        kept = visits.row[visits.is_attended & (visits.kind == VISIT_CODES.index("M6"))]
        day = visits.day[visits.is_attended & (visits.kind == VISIT_CODES.index("M6"))]
        alive = (s.course.death[kept] > 400) & (20_697 - s.patients.index_day[kept] > 400)
        kept, day = kept[alive], day[alive]
        # Who has a recurrence of C. difficile infection stays failed; every other state can turn.
        turns = ~s.course.starts_responding[kept]
        kept, day = kept[turns], day[turns]
        rows.append(
            np.column_stack(
                [
                    np.ones(len(kept)),
                    ~s.course.is_responding(kept, day),
                    s.patients.is_capsule[kept],
                    (s.patients.age_years[kept] - 45) / 10,
                    ~s.course.is_responding(kept, 365.0),
                ]
            ).astype(float)
        )
        # Before any visit of year 1: who leaves after it may do so for what that visit recorded.
        left.append(s.follow_up.would_have_left[kept] < 330)
    x, y = np.concatenate(rows), np.concatenate(left).astype(float)
    beta = np.zeros(x.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-x @ beta))
        beta = beta + np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]), x.T @ (y - p))
    covariance = np.linalg.inv(x.T @ (x * (p * (1 - p))[:, None]))
    return float(beta[-1]), float(np.sqrt(covariance[-1, -1]))


def test_dropout_is_ignorable_given_recorded_history_in_the_default(stories: list[Story]) -> None:
    effect, se = leaving_model(stories)
    assert abs(effect) < 3 * se
    assert se < 0.15


def test_dropout_is_not_ignorable_in_the_informative_scenario() -> None:
    scenario = read_scenario("informative")
    effect, se = leaving_model([draw_story(scenario, 4000, centre=c, seed=101) for c in range(2)])
    assert effect > 4 * se


def test_null_scenario_plants_nothing(stories: list[Story]) -> None:
    assert all((s.donors.log_odds == 0).all() for s in stories)
    assert all(s.recall is None for s in stories)


def test_default_plants_one_bad_donor_one_lot_and_one_label(study: Study) -> None:
    planted = study.truth("planted")
    assert Counter(planted["kind"]) == {"bad_donor": 1, "contaminated_lot": 1, "mislabelled_sample": 1}
    bad = planted.filter(pl.col("kind") == "bad_donor")["id"][0]
    effects = study.truth("donors")
    assert effects.filter(pl.col("log_odds") != 0)["donor_id"].to_list() == [bad]


def test_contaminated_lot_leads_to_infections_and_a_recall_after_which_nobody_gets_it(study: Study) -> None:
    batch, ill = (
        study.truth("planted").filter(pl.col("kind") == "contaminated_lot").select("id", "detail").row(0)
    )
    infected = study.read("adverse_events").filter(pl.col("term") == "ae16")
    assert sorted(infected["patient_id"]) == sorted(ill.split(";"))
    recall = study.read("holds").filter(pl.col("kind") == "recall")
    assert recall["batch_id"].to_list() == [batch]
    units = study.read("units").filter(pl.col("batch_id") == batch)["unit_id"]
    given = study.read("custody").filter(pl.col("unit_id").is_in(units), pl.col("event") == "administered")
    assert given["occurred_day"].max() <= recall["placed_day"][0]
    assert set(infected["patient_id"]) <= set(given["patient_id"])


def test_engraftment_rises_with_sessions_and_is_what_the_rates_say(study: Study) -> None:
    truth = study.truth("engraftment").filter(pl.col("n_brought") > 0)
    one, many = (
        truth.filter(cond).select(pl.col("n_settled").sum() / pl.col("n_brought").sum()).item()
        for cond in (pl.col("n_sessions") == 1, pl.col("n_sessions") >= 4)
    )
    assert many > 1.4 * one
    # After one session a taxon has settled at its rate; some are lost again by year 1.
    planted = read_scenario().microbiome.engraftment_per_session
    assert 0.69 * planted < one < 1.19 * planted


def test_comparators_have_neither_sessions_nor_material(study: Study) -> None:
    patients = study.read("patients")
    comparators = patients.filter(pl.col("arm") != "fmt")["patient_id"]
    assert len(comparators) > 40
    for table in ("sessions", "courses", "custody"):
        assert study.read(table).filter(pl.col("patient_id").is_in(comparators)).is_empty()
    assert (
        study.read("adverse_events")
        .filter(pl.col("patient_id").is_in(comparators), pl.col("session_id").is_not_null())
        .is_empty()
    )


def test_donors_resemble_themselves_more_than_each_other(study: Study) -> None:
    samples = study.read("samples").filter(pl.col("donor_id").is_not_null())
    present = study.read("abundances").join(samples.select("sample_id", "donor_id"), on="sample_id")
    taxa = {k[0]: set(g["taxon_id"]) for k, g in present.group_by("sample_id")}
    by_donor = [
        g["sample_id"].to_list()
        for _, g in samples.sort("sample_id").group_by("donor_id", maintain_order=True)
    ]
    several = [ids for ids in by_donor if len(ids) > 1][:12]

    def jaccard(a: str, b: str) -> float:
        return len(taxa[a] & taxa[b]) / len(taxa[a] | taxa[b])

    same = np.mean([jaccard(ids[0], ids[1]) for ids in several])
    other = np.mean([jaccard(a[0], b[0]) for a, b in pairwise(several)])
    assert same > other + 0.15


def test_baselines_are_poorer_than_donors(study: Study) -> None:
    richness = study.read("abundances").group_by("sample_id").len()
    rich = (
        study.read("samples").join(richness, on="sample_id").group_by("timepoint").agg(pl.col("len").mean())
    )
    level = dict(rich.iter_rows())
    assert level["baseline"] < level["week_4"] < level["donor"]


def test_every_banked_unit_was_screened_in_its_windows(study: Study) -> None:
    from commensal.bank.release import screening_results
    from commensal.vocabulary.donor_verdicts import release_window
    from commensal.vocabulary.screening import screening_profile

    links = study.read("unit_donors").join(
        study.read("donations").select("donation_id", "donated_on"), on="donation_id"
    )
    screenings = study.read("screenings")
    for row in links.sample(15, seed=3).iter_rows(named=True):
        donated: date = row["donated_on"]
        results = screening_results(screenings.filter(pl.col("donor_id") == row["donor_id"]))
        profile = screening_profile("STRICT", on=donated)
        verdict = release_window(
            results, profile=profile, donated_on=donated, on=donated + timedelta(days=91)
        )
        assert verdict.outcome == "met", verdict.explain()


def test_custody_has_no_fault_and_some_stock_may_be_issued_at_the_cut(study: Study) -> None:
    from commensal.bank.stock import unit_states

    cut = study.manifest.data_cut_day
    assert cut is not None
    states = unit_states(study, on_day=cut)
    assert states.filter(pl.col("reason").str.contains("fault")).is_empty()
    assert states.filter("is_issuable").height >= 20


def test_scored_answers_give_back_the_latent_state(study: Study) -> None:
    from commensal.vocabulary.instruments.scoring import check_answers, score

    month_3 = study.read("visits").filter(pl.col("visit") == "M3")
    truth = study.truth("patients").filter("is_active_at_baseline")
    for code in ("mayo", "cdai", "ibs_sss", "csbm_diary", "das28", "fiqr", "pucai"):
        mine = study.read("assessments").filter(pl.col("instrument") == code)
        assert check_answers(code, mine).is_empty()
        scored = (
            score(code, mine).join(month_3.select("visit_id"), on="visit_id").join(truth, on="patient_id")
        )
        agree = (scored["remission"] == scored["is_remitted_M3"]).drop_nulls()
        # The visit lies some days from day 91: a state may have turned in between.
        assert agree.mean() > 0.96, code


def test_a_visit_outside_the_time_of_follow_up_is_not_recorded(study: Study) -> None:
    ends = study.read("dispositions").filter(pl.col("kind") != "last_contact")
    visits = study.read("visits").filter(pl.col("status") == "attended").join(ends, on="patient_id")
    assert visits.filter(pl.col("visited_day") > pl.col("occurred_day")).is_empty()
    assert study.read("visits")["visited_day"].max() <= study.manifest.data_cut_day  # type: ignore[operator]


def test_centre_sizes_add_up() -> None:
    scenario = read_scenario()
    assert [sum(centre_sizes(scenario, n)) for n in (50, 4000, 4020, 9000)] == [50, 4000, 4020, 9000]
