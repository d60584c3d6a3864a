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

# The page gives these colours other values in the dark; a picture in a page asks the page for them.
VARIABLES = {
    **{colour: f"var(--data-{i})" for i, colour in enumerate(PALETTE, start=1)},
    INK: "var(--ink)",
    SOFT: "var(--ink-soft)",
    LINE: "var(--line)",
}


def styled(chart: Chart) -> Chart:
    """Return a chart with the look of the house: quiet axes, legend on top, no background."""
    ink = {"labelColor": INK, "titleColor": INK}
    return (
        chart.configure(
            background="transparent",
            font="system-ui, sans-serif",
            padding={"left": 45, "right": 25, "top": 5, "bottom": 5},
        )
        .configure_axis(**ink, gridColor=LINE, domainColor=SOFT, tickColor=SOFT)
        .configure_legend(labelColor=INK, titleColor=INK, orient="top", labelLimit=320, columnPadding=48)
        .configure_header(labelColor=INK, labelFontWeight="bold", labelLimit=260)
        .configure_view(stroke=LINE)
    )


def drawing_of(chart: Chart) -> str:
    """Return a chart as SVG in the light colours, as paper takes it."""
    return vl_convert.vegalite_to_svg(styled(chart).to_json(indent=None))


def themed(drawing: str) -> str:
    """Return a drawing whose colours are the page's own variables (light, dark, print)."""
    for colour, variable in VARIABLES.items():
        drawing = drawing.replace(colour, variable)
    return drawing


def svg_of(chart: Chart) -> str:
    """Return a chart as SVG whose colours are the page's own variables."""
    return themed(drawing_of(chart))
