"""How a latent state shows in an instrument's items.

A patient in remission answers inside the remission band, an active one outside it, and a responder without
remission between the two, so that scoring the answers gives back the latent state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from commensal.simulate.draws import Flags, Floats

Answers = Mapping[str, Floats]  # item → value; not a number where the item was not recorded


@dataclass(frozen=True)
class State:
    """The state at visits of patients with one instrument; every array has one entry a visit.

    ``is_remitted`` implies ``is_responding``. ``level`` and ``trait`` are the patient's own standard normal
    values, equal at all visits; ``noise`` is uniform on (0, 1) and drawn for each visit.
    """

    is_baseline: Flags
    is_responding: Flags
    is_remitted: Flags
    has_endoscopy: Flags
    level: Floats
    trait: Floats
    noise: Floats
    other_noise: Floats
    day: Floats
    recurrence_day: Floats
    last_planned_day: Floats
    items: bool


@dataclass(frozen=True)
class Scale:
    """A single score, higher is worse. ``remission``: its range in remission. ``active``: mean, standard
    deviation, lowest and highest at baseline. ``drop``: range of improvement of a response that is no
    remission. ``slack``: largest change of a patient who does not respond. ``step``: grid of the values."""

    remission: tuple[float, float]
    active: tuple[float, float, float, float]
    drop: tuple[float, float]
    slack: float
    step: float = 1.0

    def value(self, state: State) -> Floats:
        """Return the score at each visit, on the grid."""
        mean, sd, low, high = self.active
        base = np.clip(mean + sd * state.level, low, high)
        shift = (2 * state.noise - 1) * self.slack * ~state.is_baseline
        worse = np.clip(base + shift, low, high)
        better = np.maximum(base - (self.drop[0] + state.noise * (self.drop[1] - self.drop[0])), self.floor)
        well = self.remission[0] + state.noise * (self.remission[1] - self.remission[0])
        value = np.where(
            state.is_remitted, well, np.where(state.is_responding & ~state.is_baseline, better, worse)
        )
        return np.round(value / self.step) * self.step

    @property
    def floor(self) -> float:
        """Lowest value on the grid above the remission range."""
        return self.remission[1] + self.step


CDAI = Scale((40, 145), (290, 55, 180, 440), (100, 120), 40)
WPCDAI = Scale((0, 10), (45, 14, 20, 100), (20, 30), 5, step=2.5)
PUCAI = Scale((0, 5), (45, 12, 20, 80), (20, 30), 5, step=5)
IBS_SSS = Scale((10, 70), (310, 65, 190, 470), (60, 170), 40, step=5)
FIQR = Scale((8, 30), (60, 12, 46, 92), (15, 28), 4, step=0.5)
PAIN = Scale((1, 3), (7, 1.0, 6, 9), (3, 3), 1)
MOTOR = Scale((0, 0), (40, 12, 18, 90), (4, 14), 3)
CARS = Scale((15, 15), (38, 4.5, 32, 56), (4, 10), 1, step=0.5)


def mayo(state: State) -> Answers:
    """Mayo subscores; endoscopy only where one was done, never taken as 0."""
    grade = np.clip(np.round(2.2 + 0.6 * state.level), 2, 3)
    dip = (state.noise < 0.3) & ~state.is_baseline
    sick = {
        "stool_frequency": grade,
        "rectal_bleeding": np.clip(grade - (state.trait < 0), 1, 3),
        "endoscopy": np.clip(grade - dip * (grade > 2), 2, 3),
        "pga": np.full(len(grade), 2.0),
    }
    well = {
        "stool_frequency": (state.noise < 0.3) * 1.0,
        "rectal_bleeding": np.zeros(len(grade)),
        "endoscopy": (state.other_noise < 0.5) * 1.0,
        "pga": np.zeros(len(grade)),
    }
    items = {name: np.where(state.is_remitted, well[name], sick[name]) for name in sick}
    items["endoscopy"] = np.where(state.has_endoscopy, items["endoscopy"], np.nan)
    if state.items:
        return items
    partial = items["stool_frequency"] + items["rectal_bleeding"] + items["pga"]
    return {"total": partial + items["endoscopy"], "partial": np.where(state.has_endoscopy, np.nan, partial)}


def ibs(state: State) -> Answers:
    """Five items of 0 to 100 that add up to the total; the second goes in tens."""
    total = IBS_SSS.value(state)
    if not state.items:
        return {"total": total}
    days = np.round(total / 50) * 10
    rest = (total - days) / 4
    room = np.minimum(rest, 100 - rest)
    first, second = (2 * state.noise - 1) * 0.6 * room, (2 * state.other_noise - 1) * 0.6 * room
    parts = np.round([rest + first, rest - first, rest + second])
    return {
        "pain_severity": parts[0],
        "pain_days": days,
        "distension": parts[1],
        "dissatisfaction": parts[2],
        "interference": np.clip(total - days - parts.sum(axis=0), 0, 100),
    }


def csbm(state: State) -> Answers:
    """Complete spontaneous bowel movements of a diary week."""
    base = np.clip(np.round(0.8 + 0.7 * state.level), 0, 2)
    count = np.where(
        state.is_responding & ~(state.is_baseline & ~state.is_remitted),
        3 + np.floor(state.noise * 4),
        np.maximum(base - (state.noise < 0.25), 0),
    )
    return (
        {"csbm_count": count, "days_recorded": np.full(len(count), 7.0)}
        if state.items
        else {"csbm_per_week": count}
    )


def das28(state: State) -> Answers:
    """Joints, sedimentation, C-reactive protein and the patient's rating."""
    base = np.clip(9 + 3 * state.level, 5, 18)
    well = state.is_remitted
    items = {
        "tender_joints": np.where(well, (state.noise < 0.4) * 1.0, np.round(base)),
        "swollen_joints": np.where(well, 0.0, np.round(base * 0.7)),
        "esr": np.where(well, 2 + np.round(6 * state.noise), np.round(34 + 4 * state.trait.clip(-2, 2))),
        "crp": np.where(
            well, np.round(1 + 2 * state.noise, 1), np.round(16 + 3 * state.trait.clip(-2, 2), 1)
        ),
        "patient_global": np.where(
            well, np.round(12 * state.other_noise), np.round(58 + 4 * state.level.clip(-2, 2))
        ),
    }
    if state.items:
        return items
    joints = 0.56 * np.sqrt(items["tender_joints"]) + 0.28 * np.sqrt(items["swollen_joints"])
    return {"das28_esr": np.round(joints + 0.70 * np.log(items["esr"]) + 0.014 * items["patient_global"], 2)}


def rcdi(state: State) -> Answers:
    """Signs of a recurrence in its first two weeks, none otherwise; not asked before the transplant."""
    since = state.day - state.recurrence_day
    sick = (since >= 0) & (since <= 14)
    asked = np.where(state.is_baseline, np.nan, 1.0)
    sign = sick.astype(np.float64) * asked
    if not state.items:
        return {"recurrence": sign}
    return {
        "unformed_stools_24h": np.where(sick, 4 + np.round(4 * state.noise), np.round(1.6 * state.noise))
        * asked,
        "days_unformed": np.where(sick, 2 + np.round(3 * state.other_noise), 0.0) * asked,
        "toxin_positive": sign,
        "pcr_only_positive": np.zeros(len(since)) * asked,
        "treatment_needed": sign,
        "days_since_last_session": np.where(
            state.day >= state.last_planned_day, state.day - state.last_planned_day, np.nan
        ),
    }


def ms(state: State) -> Answers:
    """Disability and signs of activity; a responder shows none."""
    edss = np.round((2.5 + 1.2 * state.level).clip(1, 6.5) * 2) / 2
    after = np.where(state.is_baseline, np.nan, 1.0)
    quiet = state.is_responding
    return {
        "edss": edss,
        "confirmed_relapses": np.where(quiet, 0.0, (state.noise < 0.35) * 1.0) * after,
        "confirmed_progression": np.zeros(len(edss)) * after,
        "mri_activity": np.where(quiet, 0.0, 1.0) * after,
    }


def motor(state: State) -> Answers:
    """Motor part of the Parkinson's scale, examined off medication."""
    return {"part_3": MOTOR.value(state), "is_off_state": np.ones(len(state.level))}


def total(scale: Scale, item: str = "total") -> Callable[[State], Answers]:
    """Return the reading of an instrument of which only one score is recorded."""
    return lambda state: {item: scale.value(state)}


# Of an adult, and of a child where the adult form is not valid.
READINGS: Mapping[str, tuple[tuple[str, str, Callable[[State], Answers]], ...]] = {
    "rcdi_recurrence": (("any", "rcdi_recurrence", rcdi),),
    "mayo": (("adult", "mayo", mayo), ("child", "pucai", total(PUCAI))),
    "cdai": (("adult", "cdai", total(CDAI)), ("child", "wpcdai", total(WPCDAI))),
    "ibs_sss": (("any", "ibs_sss", ibs),),
    "csbm_diary": (("any", "csbm_diary", csbm),),
    "cars": (("any", "cars", total(CARS)),),
    "mds_updrs": (("any", "mds_updrs", motor),),
    "ms_activity": (("any", "ms_activity", ms),),
    "das28": (("any", "das28", das28),),
    "fiqr": (("any", "fiqr", total(FIQR)), ("any", "fm_symptom_nrs", total(PAIN, "pain"))),
}
