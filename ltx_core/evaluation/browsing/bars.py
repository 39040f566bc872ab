"""Histograms drawn as SVG by hand, in the look of `plots`: a page has twenty of them, in no time.

matplotlib takes 0.15 s for each (measured), which is most of the time of a page that decodes nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ltx_core.evaluation.markup import Html, element
from ltx_core.evaluation.plots import MAX_SINGLE_BARS

WIDTH, HEIGHT = 331.0, 194.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 323.0, 26.0, 158.0
"""The frame of the bars, in the drawing's units: points, as in `plots`."""
BINS = 24
TAILS = 0.001
"""Share of the values at either end that is counted in the outermost bins: one of them flattens nothing."""
TICKS = 5


def histogram_svg(values: Sequence[float], title: str, x_label: str, limits: Sequence[float] = ()) -> Html:
    """How often values lie where: a bar per value where there are few, else 24 bins; dashed lines at limits.

    Args:
        values: finite numbers, at least one.
        title, x_label: in words.
        limits: where filters begin; drawn where they lie in the range, which they widen.
    """
    names = Counter(f"{value:.4g}" for value in values)
    if len(names) <= MAX_SINGLE_BARS and not limits:
        parts = _single(names)
    else:
        parts = _binned(np.asarray(values, np.float64), limits)
    return element(
        "svg",
        _text(0, 12, title, font_weight="bold", font_size="10"),
        _text((LEFT + RIGHT) / 2, HEIGHT - 4, x_label, text_anchor="middle", font_size="9"),
        *parts,
        _line(LEFT, BOTTOM, RIGHT, BOTTOM),
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        aria_hidden="true",
        font_family="system-ui, sans-serif",
    )


def _single(counts: Counter[str]) -> list[Html]:
    """A bar with its count for each value."""
    names = sorted(counts, key=float)
    most, step = max(counts.values()), (RIGHT - LEFT) / (len(names) + 1)
    parts: list[Html] = []
    for place, name in enumerate(names):
        centre, height = LEFT + (place + 1) * step, (BOTTOM - TOP - 10) * counts[name] / most
        parts.append(_bar(centre - 0.3 * step, height, 0.6 * step))
        parts.append(_text(centre, BOTTOM - height - 3, f"{counts[name]:,}", text_anchor="middle"))
        parts.append(_text(centre, BOTTOM + 11, name, text_anchor="middle"))
    return parts


def _binned(values: np.ndarray, limits: Sequence[float]) -> list[Html]:
    """Bars of equal widths over the range of the values and limits."""
    low, high = (float(end) for end in np.quantile(values, (TAILS, 1 - TAILS)))
    low, high = min(low, *limits, low), max(high, *limits, high)
    if high - low < 1e-12 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(np.clip(values, low, high), BINS, (low, high))
    most = int(counts.max())

    def across(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * (value - low) / (high - low)

    parts: list[Html] = []
    for tick in ticks(0, most, whole=True):
        y = BOTTOM - (BOTTOM - TOP) * tick / most
        parts += [_line(LEFT, y, RIGHT, y), _text(LEFT - 4, y + 3, f"{tick:,.0f}", text_anchor="end")]
    width = (RIGHT - LEFT) / BINS
    parts += [
        _bar(across(float(edge)) + 0.04 * width, (BOTTOM - TOP) * int(count) / most, 0.92 * width)
        for count, edge in zip(counts, edges, strict=False)
        if count
    ]
    parts += [_text(across(t), BOTTOM + 11, f"{t:g}", text_anchor="middle") for t in ticks(low, high)]
    parts += [
        _line(across(limit), TOP, across(limit), BOTTOM, stroke="var(--orange)", stroke_dasharray="4 3")
        for limit in limits
    ]
    return parts


def ticks(low: float, high: float, whole: bool = False) -> list[float]:
    """A few round numbers from `low` to `high`; `whole`: without parts."""
    raw = max((high - low) / TICKS, 1e-12)
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw * (1 - 1e-9))
    step = max(1.0, step) if whole else step
    first = math.ceil(low / step - 1e-9)
    return [float(f"{n * step:.12g}") for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _bar(left: float, height: float, width: float) -> Html:
    size = {"x": f"{left:.1f}", "y": f"{BOTTOM - height:.1f}"}
    return element("rect", **size, width=f"{width:.1f}", height=f"{height:.1f}", fill="var(--blue)")


def _line(x: float, y: float, to_x: float, to_y: float, **more: str) -> Html:
    ends = {"x1": f"{x:.1f}", "y1": f"{y:.1f}", "x2": f"{to_x:.1f}", "y2": f"{to_y:.1f}"}
    return element("line", **{"stroke": "var(--rule)", "stroke_width": "1", **ends, **more})


def _text(x: float, y: float, text: str, **more: str) -> Html:
    style = {"fill": "var(--ink)", "font_size": "8", **more}
    return element("text", text, x=f"{x:.1f}", y=f"{y:.1f}", **style)
