"""Plots of evaluations: loss at fixed noise over the steps, a map of its change by level and condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ltx_core.evaluation.course import Map
from ltx_core.evaluation.plots import (
    BLUE,
    GREEN,
    HEIGHT_IN,
    INK,
    ORANGE,
    RULE,
    WIDTH_IN,
    Curve,
    axes_of,
    legend,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = {"held out": GREEN, "training clips": BLUE}
BOUNDS = (-0.6, -0.4, -0.2, -0.1, -0.05, -0.02, 0.02, 0.05, 0.1, 0.2)
"""Edges of the colours of a map, as shares; what lies outside has the colour of the end."""
NAMED = (-0.6, -0.2, -0.05, 0.05, 0.2)
"""Edges that are named beside the map."""
SHADES = ("#08306b", "#2171b5", "#4292c6", "#6baed6", "#bdd7e7", "#d9d9d9", "#fdd0a2", "#fd8d3c", "#d94701")
"""From a loss that fell by more than 40 % to one that rose by a fifth (ColorBrewer's Blues and Oranges)."""
MAX_COLUMNS = 40
"""Evaluations in a map; of more, every n-th and the last are shown."""


def evaluation_curves(curves: Mapping[str, Curve], title: str, best: int | None = None) -> Figure:
    """Curves with a point for each evaluation, and a dotted line at the best step."""
    figure, axes = axes_of(title, "step", "loss")
    for name, curve in curves.items():
        steps, values = [step for step, _ in curve], [value for _, value in curve]
        color = COLORS.get(name, ORANGE)
        axes.plot(steps, values, color=color, linewidth=2, marker="o", markersize=3, label=name)
    if best is not None:
        axes.axvline(best, color=INK, linewidth=1, linestyle=":")
    legend(axes, len(curves))
    return figure


def change_map(found: Map, title: str) -> Figure:
    """Rows are levels and conditions, columns evaluations, colours the change since the first one."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    figure, axes = axes_of(title, "step", "")
    figure.set_size_inches(WIDTH_IN, max(HEIGHT_IN * 0.7, 0.9 + 0.2 * len(found.labels)))
    stride = -(-len(found.steps) // MAX_COLUMNS)
    shown = sorted({*range(0, len(found.steps), stride), len(found.steps) - 1})
    cells = [[row[place] for place in shown] for row in found.changes]
    norm = BoundaryNorm(BOUNDS, len(SHADES), clip=True)
    mesh = axes.pcolormesh(cells, cmap=ListedColormap(SHADES), norm=norm, edgecolors=RULE, linewidth=0.3)
    axes.set_yticks([place + 0.5 for place in range(len(found.labels))], list(found.labels))
    apart = max(1, -(-len(shown) // 6))
    axes.set_xticks(
        [place + 0.5 for place in range(0, len(shown), apart)],
        [str(found.steps[place]) for place in shown[::apart]],
    )
    axes.grid(visible=False)
    bar = figure.colorbar(mesh, ax=axes, ticks=NAMED, format=lambda value, _: f"{value:+.0%}")
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=8, color=RULE, labelcolor=INK)
    bar.outline.set_visible(False)
    return figure
