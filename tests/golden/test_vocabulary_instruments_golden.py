"""Scores worked out elsewhere: each vector stands beside its origin."""

import pytest

from commensal.vocabulary import score_one

CDAI = {
    "liquid_stools_7d": 28,
    "abdominal_pain_7d": 10,
    "wellbeing_7d": 14,
    "joints": 1,
    "eyes": 1,
    "skin_mouth": 0,
    "perianal": 0,
    "other_fistula": 0,
    "fever": 0,
    "antidiarrhoeal": 1,
    "abdominal_mass": 2,
    "haematocrit": 38,
    "is_male": 0,
    "weight_kg": 54,
    "standard_weight_kg": 60,
}


def test_cdai_328():
    """CDAI formula by hand: 56 + 50 + 98 + 40 + 30 + 20 + 24 + 10."""
    scored = score_one("cdai", CDAI)
    assert scored.scores["total"] == pytest.approx(328.0)
    assert scored.band == "moderate"


def test_cdai_haematocrit_above_reference_is_negative_unless_clamped():
    scores = score_one("cdai", {**CDAI, "haematocrit": 45}).scores
    assert scores["total"] == pytest.approx(328.0 - 24 - 18)
    assert scores["total_hct_clamped"] == pytest.approx(328.0 - 24)


def test_cdai_weight_term_has_a_floor_of_minus_ten():
    assert score_one("cdai", {**CDAI, "weight_kg": 120}).scores["total"] == pytest.approx(308.0)


def test_cdai_standard_weight_by_keys():
    answers = {**CDAI, "standard_weight_kg": None, "height_m": 1.7}
    assert score_one("cdai", answers).scores["standard_weight_kg"] == pytest.approx(20.8 * 1.7**2)
    assert score_one("cdai", {**answers, "is_male": 1}).scores["standard_weight_kg"] == pytest.approx(
        22.1 * 1.7**2
    )


@pytest.mark.parametrize(
    ("variant", "value"),
    [("das28_esr", 5.3506), ("das28_crp", 4.7930), ("das28_esr_3", 5.1827), ("das28_crp_3", 4.5963)],
)
def test_das28_vectors(variant: str, value: float):
    """das-score.nl formulas: T8 S6 ESR30 GH50 CRP10."""
    answers = {"tender_joints": 8, "swollen_joints": 6, "esr": 30, "crp": 10, "patient_global": 50}
    assert score_one("das28", answers).scores[variant] == pytest.approx(value, abs=5e-5)


def test_das28_least_crp_value_is_096_and_esr_0_counts_as_1():
    zero = {"tender_joints": 0, "swollen_joints": 0, "esr": 0, "crp": 0, "patient_global": 0}
    scores = score_one("das28", zero).scores
    assert scores["das28_crp"] == pytest.approx(0.96)
    assert scores["das28_esr"] == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("now", "good", "any_response"),
    [(3.2, True, True), (3.21, False, True), (4.0, False, True), (5.3, False, False), (5.0, False, True)],
)
def test_eular_response(now: float, good: bool, any_response: bool):
    """EULAR table from a baseline of 6.0 (5.0: a drop of 1.0 is moderate at 5.1 or less)."""
    scored = score_one("das28", {"das28_esr": now}, baseline={"das28_esr": 6.0})
    assert scored.criteria["good_response"] is good
    assert scored.criteria["response"] is any_response


def test_fiqr_57():
    """F45, O12, S60 gives 57.0 (FIQR scoring)."""
    answers = {f"function_{n}": 5 for n in range(1, 10)} | {"overall_1": 6, "overall_2": 6}
    answers |= {f"symptom_{n}": 6 for n in range(1, 11)}
    assert score_one("fiqr", answers).scores["total"] == pytest.approx(57.0)
    assert score_one("fiqr", {**answers, "function_1": None, "symptom_4": None}).scores[
        "total"
    ] == pytest.approx(57.0)
    no_overall = {**answers, "overall_1": None, "overall_2": None}
    assert score_one("fiqr", no_overall).scores["total"] is None


@pytest.mark.parametrize(
    ("total", "remission", "remission_2020", "band"),
    [
        (23, True, True, "remission"),
        (24, True, False, "remission"),
        (30, True, False, "remission"),
        (31, False, False, "mild"),
        (45, False, False, "mild"),
        (65, False, False, "moderate"),
        (66, False, False, "severe"),
    ],
)
def test_fiqr_bands_of_two_papers(total: float, remission: bool, remission_2020: bool, band: str):
    scored = score_one("fiqr", {"total": total})
    assert (scored.criteria["remission"], scored.criteria["remission_2020"]) == (remission, remission_2020)
    assert scored.band == band


def test_rand_36_vitality():
    """RAND recoding: (40 + 60 + 40) / 3."""
    scores = score_one("rand_36", {"item_23": 4, "item_27": 3, "item_29": 3}).scores
    assert scores["vitality"] == pytest.approx(46.667, abs=5e-4)


def test_rand_36_needs_half_of_a_scale():
    assert score_one("rand_36", {"item_23": 4}).scores["vitality"] is None
    assert score_one("rand_36", {"item_23": 4, "item_31": 6}).scores["vitality"] == pytest.approx(70.0)


def test_rand_36_social_items_point_opposite_ways():
    assert score_one("rand_36", {"item_20": 1, "item_32": 5}).scores["social_functioning"] == 100.0
    assert score_one("rand_36", {"item_20": 5, "item_32": 1}).scores["social_functioning"] == 0.0


def mayo(
    sf: float | None, rb: float | None, endo: float | None, pga: float | None
) -> dict[str, float | None]:
    return {"stool_frequency": sf, "rectal_bleeding": rb, "endoscopy": endo, "pga": pga}


@pytest.mark.parametrize(
    ("answers", "total", "remission"),
    [
        (mayo(1, 0, 1, 0), 2, True),
        (mayo(2, 0, 0, 0), 2, False),
        (mayo(1, 1, 1, 0), 3, False),
        (mayo(0, 0, 0, 0), 0, True),
        (mayo(1, 0, None, 0), None, None),
        (mayo(2, 0, None, 0), None, False),
        ({"total": 1}, 1, True),
        ({"total": 2}, 2, None),
        ({"total": 3}, 3, False),
    ],
)
def test_mayo_remission(answers: dict[str, float | None], total: float | None, remission: bool | None):
    scored = score_one("mayo", answers)
    assert scored.scores["total"] == total
    if answers.get("stool_frequency") == 2 and answers.get("endoscopy") is None:
        assert scored.criteria["remission"] in (None, False)
    else:
        assert scored.criteria["remission"] is remission


def test_mayo_without_endoscopy_is_partial_only():
    scored = score_one("mayo", mayo(1, 1, None, 1))
    assert scored.scores == {"total": None, "partial": 3.0, "modified": None}
    assert scored.reason == "items_missing"
    assert scored.criteria["mucosal_healing"] is None


@pytest.mark.parametrize(
    ("now", "response"),
    [
        (mayo(1, 1, 1, 1), True),
        (mayo(2, 1, 1, 1), True),
        (mayo(1, 2, 1, 1), False),
        (mayo(2, 2, 2, 0), False),
        (mayo(1, 1, None, 1), None),
    ],
)
def test_mayo_response(now: dict[str, float | None], response: bool | None):
    """Baseline 2+2+2+2 = 8: a drop of 3 and 30 %, and bleeding down by 1 or at most 1."""
    assert score_one("mayo", now, baseline=mayo(2, 2, 2, 2)).criteria["response"] is response


def test_mayo_steroid_free_and_cn20():
    scored = score_one("mayo", mayo(1, 0, 1, 0) | {"on_steroids": 0})
    assert scored.criteria["steroid_free_remission"] is True
    assert scored.criteria["cn20_remission"] is False
    assert (
        score_one("mayo", mayo(1, 0, 1, 0) | {"on_steroids": 1}).criteria["steroid_free_remission"] is False
    )
    assert score_one("mayo", mayo(1, 0, 1, 0)).criteria["steroid_free_remission"] is None


@pytest.mark.parametrize(
    ("instrument", "edges"),
    [
        (
            "mayo",
            [(2, "remission"), (3, "mild"), (5, "mild"), (6, "moderate"), (10, "moderate"), (11, "severe")],
        ),
        (
            "cdai",
            [
                (149.9, "remission"),
                (150, "mild"),
                (219.9, "mild"),
                (220, "moderate"),
                (450, "moderate"),
                (450.1, "severe"),
            ],
        ),
        (
            "hbi",
            [(4, "remission"), (5, "mild"), (7, "mild"), (8, "moderate"), (16, "moderate"), (17, "severe")],
        ),
        (
            "wpcdai",
            [
                (10, "remission"),
                (12.5, "mild"),
                (40, "mild"),
                (42.5, "moderate"),
                (57.5, "moderate"),
                (60, "severe"),
            ],
        ),
        ("pucai", [(5, "remission"), (10, "mild"), (35, "moderate"), (65, "severe")]),
        (
            "ibs_sss",
            [
                (74.9, "remission"),
                (75, "mild"),
                (174.9, "mild"),
                (175, "moderate"),
                (300, "moderate"),
                (300.1, "severe"),
            ],
        ),
        ("cars", [(29.5, "none"), (30, "mild to moderate"), (36.5, "mild to moderate"), (37, "severe")]),
        ("sdai", [(3.3, "remission"), (3.4, "low")]),
        ("cdai_ra", [(2.8, "remission"), (2.9, "low")]),
    ],
)
def test_band_edges(instrument: str, edges: list[tuple[float, str]]):
    for total, band in edges:
        assert score_one(instrument, {"total": total}).band == band, total


def test_hbi():
    answers = {"wellbeing": 2, "abdominal_pain": 1, "liquid_stools": 4, "abdominal_mass": 0}
    kinds = [
        "arthralgia",
        "uveitis",
        "erythema_nodosum",
        "aphthous_ulcers",
        "pyoderma",
        "fissure",
        "new_fistula",
        "abscess",
    ]
    answers |= {f"complication_{kind}": 0 for kind in kinds} | {"complication_uveitis": 1}
    scored = score_one("hbi", answers, baseline={"total": 11})
    assert scored.scores["total"] == 8
    assert scored.criteria["response"] is True


LIMBS = ("shoulder", "upper_arm", "lower_arm", "hip", "upper_leg", "lower_leg")
SITES = [
    "jaw_left",
    "jaw_right",
    "chest",
    "abdomen",
    "neck",
    "upper_back",
    "lower_back",
    *(f"{part}_{side}" for part in LIMBS for side in ("left", "right")),
]


def acr(
    sites: list[str], severity: tuple[int, int, int], yes: int = 0, months: float = 6
) -> dict[str, float | None]:
    answers: dict[str, float | None] = {f"site_{site}": float(site in sites) for site in SITES}
    answers |= dict(zip(("fatigue", "unrefreshed", "cognition"), map(float, severity), strict=True))
    marks = ("headache", "abdominal_cramps", "depression")
    return answers | {mark: float(n < yes) for n, mark in enumerate(marks)} | {"months_present": months}


FOUR = ["shoulder_left", "shoulder_right", "hip_left", "neck"]


@pytest.mark.parametrize(
    ("answers", "wpi", "sss", "diagnosis"),
    [
        (acr([*FOUR, "hip_right", "jaw_left", "chest"], (2, 2, 1)), 7, 5, True),
        (acr([*FOUR, "hip_right", "jaw_left", "chest"], (2, 2, 0)), 7, 4, False),
        (acr(FOUR, (3, 3, 3)), 4, 9, True),
        (acr(FOUR[:3], (3, 3, 3)), 3, 9, False),
        (acr([*FOUR[:2], "jaw_left", "jaw_right", "chest", "abdomen", "neck"], (3, 3, 3)), 7, 9, False),
        (acr(FOUR, (3, 3, 3), months=2), 4, 9, False),
        (acr(FOUR, (2, 2, 2), yes=3), 4, 9, True),
    ],
)
def test_fibromyalgia_criteria_2016(answers: dict[str, float | None], wpi: int, sss: int, diagnosis: bool):
    """ACR 2016: WPI 4-6 (not 3-6) with SSS 9; jaw, chest and abdomen are no regions; three months."""
    scored = score_one("acr_fm_2016", answers)
    assert (scored.scores["wpi"], scored.scores["sss"]) == (wpi, sss)
    assert scored.criteria["diagnosis"] is diagnosis


@pytest.mark.parametrize(
    ("before", "now", "worse"), [(0, 1, False), (0, 1.5, True), (3, 4, True), (3, 3.5, False), (5.5, 6, True)]
)
def test_edss_worsening(before: float, now: float, worse: bool):
    assert (
        score_one("ms_activity", {"edss": now}, baseline={"edss": before}).criteria["edss_worsening"] is worse
    )


def test_edss_has_no_half():
    assert score_one("ms_activity", {"edss": 0.5}).reason == "out_of_range"


def test_parkinson_compares_only_the_same_state():
    before = {"part_3": 40, "is_off_state": 1}
    assert (
        score_one("mds_updrs", {"part_3": 36, "is_off_state": 1}, baseline=before).criteria["response"]
        is True
    )
    assert (
        score_one("mds_updrs", {"part_3": 37, "is_off_state": 1}, baseline=before).criteria["response"]
        is False
    )
    assert (
        score_one("mds_updrs", {"part_3": 36, "is_off_state": 0}, baseline=before).criteria["response"]
        is False
    )
    assert score_one("mds_updrs", {"part_3": 36}, baseline=before).criteria["response"] is None


def test_constipation_cure_and_improvement():
    now = {"csbm_count": 9, "days_recorded": 21}
    scored = score_one("csbm_diary", now, baseline={"csbm_per_week": 1.5})
    assert scored.scores["csbm_per_week"] == pytest.approx(3.0)
    assert scored.criteria["remission"] is True
    assert scored.criteria["cn20_cure"] is False
    assert scored.criteria["response"] is True


@pytest.mark.parametrize(
    ("changes", "cure"),
    [
        ({}, True),
        ({"days_since_last_session": 55}, False),
        ({"toxin_positive": 1}, False),
        ({"toxin_positive": None}, None),
    ],
)
def test_rcdi_cure(changes: dict[str, float | None], cure: bool | None):
    answers = {
        "unformed_stools_24h": 3,
        "days_unformed": 2,
        "toxin_positive": 0,
        "pcr_only_positive": 1,
        "treatment_needed": 1,
        "days_since_last_session": 56,
    }
    scored = score_one("rcdi_recurrence", answers | changes)
    assert scored.criteria["remission"] is cure
    assert scored.scores["recurrence_pcr_only"] == 1
