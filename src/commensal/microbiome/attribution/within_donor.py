"""How two stools of one person differ, and the map learnt from that: from fits of a sink to shares.

The map is small and fixed: one layer of hyperbolic tangents and a linear path, the same for each source, so
that neither their order nor their number matters. It says how far to trust the fit which takes the stool
shown for the one given, and the fits which let it drift. Its numbers stand in ``within_donor.toml`` with
what they were learnt from.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from scipy import stats

# Columns of the features: the logits of the shares by each fit, and of the fit with learnt drift, on which
# the map builds.
FITS, LEARNT = slice(0, 4), 3

# Design choice: where the fits of a sink differ by less than this share, the map moves in proportion less.
AGREEMENT = 0.05
# Limits of the log concentration: never a distribution with two peaks, never surer than the trial was.
LOG_CONCENTRATION = (0.7, 9.0)
# Least distance of a limit from its share, and from zero and one.
MARGIN = 2e-3


@dataclass(frozen=True, eq=False)
class ShareMap:
    """The learnt map. Shapes, with F features and H hidden units: ``centre`` and ``scale`` (F,); ``inward``
    (F, H) with ``offset`` (H,); ``outward`` (H, 2), ``direct`` (F, 2) and ``ends`` (2,): first the shift of
    the log share, then the log of the concentration. ``stretch`` widens the intervals so that they cover
    mixtures of a study the map has not seen."""

    centre: np.ndarray
    scale: np.ndarray
    inward: np.ndarray
    offset: np.ndarray
    outward: np.ndarray
    direct: np.ndarray
    ends: np.ndarray
    stretch: float

    def shares(self, features: np.ndarray, *, is_source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return share and concentration of each source, (sinks, K+1), from (sinks, K+1, F).

        ``is_source`` is False where a sink has fewer sources; its share there is zero.
        """
        x = np.clip((features - self.centre) / self.scale, -5.0, 5.0)
        out = np.tanh(x @ self.inward + self.offset) @ self.outward + x @ self.direct + self.ends
        learnt = -np.log1p(np.exp(-features[..., LEARNT]))
        moved = learnt + disagreement(features, is_source=is_source)[:, None] * out[..., 0]
        logs = np.where(is_source, moved, -np.inf)
        weight = np.exp(logs - logs.max(axis=1, keepdims=True))
        concentration = np.exp(np.clip(out[..., 1], *LOG_CONCENTRATION))
        return weight / weight.sum(axis=1, keepdims=True), concentration


def disagreement(features: np.ndarray, *, is_source: np.ndarray) -> np.ndarray:
    """Return from 0 (all fits of a sink give the same shares) to 1 how much the map may move, (sinks,)."""
    fits = 1.0 / (1.0 + np.exp(-features[..., FITS]))
    apart = np.where(is_source, np.ptp(fits, axis=-1), 0.0).max(axis=1)
    return np.minimum(1.0, apart / AGREEMENT)


def interval(
    share: np.ndarray, concentration: np.ndarray, *, level: float, stretch: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits of the Beta distribution of each share, stretched away from the share.

    The distribution has the mean ``share`` and a + b = ``concentration``. Each limit is put ``stretch`` times
    as far from the share, at least .002; what is then within .002 of zero or one is put there, because so
    little cannot be told from none.
    """
    mean = np.clip(share, 1e-3, 1.0 - 1e-3)
    spread = stats.beta(mean * concentration, (1.0 - mean) * concentration)
    tail = (1.0 - level) / 2.0
    below = np.maximum(share - spread.ppf(tail), MARGIN)
    above = np.maximum(spread.ppf(1.0 - tail) - share, MARGIN)
    lower, upper = share - stretch * below, share + stretch * above
    return np.where(lower < MARGIN, 0.0, lower), np.where(upper > 1.0 - MARGIN, 1.0, upper)


@cache
def published_map() -> ShareMap:
    """Return the map learnt from the published donors with repeated stools."""
    text = files("commensal.microbiome.attribution").joinpath("within_donor.toml").read_text(encoding="utf-8")
    return share_map(tomllib.loads(text))


def share_map(values: dict[str, Any]) -> ShareMap:
    """Return a map from its plain numbers, as they stand in the file."""
    names = ("centre", "scale", "inward", "offset", "outward", "direct", "ends")
    return ShareMap(**{n: np.asarray(values[n], dtype=float) for n in names}, stretch=values["stretch"])
