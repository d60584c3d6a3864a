"""How every picture looks: Okabe and Ito's colours, shapes beside them, and the page's own inks."""

from __future__ import annotations

from typing import Any, TypeAlias

import vl_convert

# An Altair chart of any kind; altair's own classes share no public base with ``configure`` typed.
Chart: TypeAlias = Any

PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]
INK, SOFT, LINE = "#1c2321", "#55605c", "#d5d8d2"
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]
WIDTH = 760
# To measure and cut a long label takes the drawing a tenth of a second; letters are counted instead.
CUT_LABEL = {
    "labelLimit": 0,
    "labelExpr": "length(datum.label) > 58 ? slice(datum.label, 0, 57) + '…' : datum.label",
}

# Quiet axes, legend on top, no background.
INKED = {"labelColor": INK, "titleColor": INK}
LOOK = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "padding": {"left": 45, "right": 25, "top": 5, "bottom": 5},
    "axis": {**INKED, "gridColor": LINE, "domainColor": SOFT, "tickColor": SOFT},
    "legend": {**INKED, "orient": "top", "labelLimit": 320, "columnPadding": 48},
    "view": {"continuousWidth": 300, "continuousHeight": 300, "stroke": LINE},
    "header": {"labelColor": INK, "labelFontWeight": "bold", "labelLimit": 260},
}

# The page gives these colours other values in the dark; a picture in a page asks the page for them.
VARIABLES = {
    **{colour: f"var(--data-{i})" for i, colour in enumerate(PALETTE, start=1)},
    INK: "var(--ink)",
    SOFT: "var(--ink-soft)",
    LINE: "var(--line)",
}


def drawing_of(chart: Chart) -> str:
    """Return a chart as SVG in the light colours, as paper takes it."""
    # Its parts were checked as they were put together; to check, and to copy, the whole again takes seconds.
    return vl_convert.vegalite_to_svg({**chart.to_dict(validate=False), "config": LOOK})


def themed(drawing: str) -> str:
    """Return a drawing whose colours are the page's own variables (light, dark, print)."""
    for colour, variable in VARIABLES.items():
        drawing = drawing.replace(colour, variable)
    return drawing


def svg_of(chart: Chart) -> str:
    """Return a chart as SVG whose colours are the page's own variables."""
    return themed(drawing_of(chart))
