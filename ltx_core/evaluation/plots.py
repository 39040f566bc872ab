"""Plots of a run as matplotlib figures, written as themed inline SVG or as PNG.

Design choices
- No pyplot: figures are objects of their own, nothing global is left behind, and threads do not meet
  (matplotlib's settings are changed under a lock while a figure is written).
- Colours are those of Okabe and Ito, which colour-blind people can tell apart. In SVG they become CSS
  variables, so that one picture serves a light and a dark page.
- Texts stay texts in SVG, and identifiers get a prefix, so that many pictures share one page.
"""

from __future__ import annotations

import io
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = Sequence[tuple[float, float]]
"""(step, value) pairs in the order of the steps."""

BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#e69f00", "#009e73", "#cc79a7"
INK, RULE = "#24292f", "#d0d7de"
SERIES = {"video": BLUE, "audio": ORANGE, "base": ORANGE, "LoRA": BLUE}
SERIES |= {"video held out": GREEN, "audio held out": PURPLE}
SERIES |= {"train": BLUE, "held-out": GREEN, "gap": ORANGE}
CSS_NAMES = {
    BLUE: "--blue",
    ORANGE: "--orange",
    GREEN: "--green",
    PURPLE: "--purple",
    INK: "--ink",
    RULE: "--rule",
}
TITLE: dict[str, Any] = {"loc": "left", "fontsize": 10, "color": INK, "fontweight": "bold"}
WIDTH_IN, HEIGHT_IN = 4.6, 2.7
"""Inches at 72 points: the texts of 9 points read at their size on a phone of 390 pixels."""
MAX_POINTS = 300
"""Points drawn of one curve; more cannot be told apart at this size."""
MAX_SINGLE_BARS = 8
"""Distinct values that are drawn as bars of their own."""
SMOOTHING_SHARE = 0.05
"""Width of the moving mean as a share of the curve; none of a curve of few points."""
MEASURED = "held out"
"""Ends the name of a curve of single measurements: points, which nothing is averaged over."""
BESIDE_TITLE = 2
"""Names of a legend that fit beside the title; more of them stand below it."""

_LOCK = threading.Lock()


def loss_curves(curves: Mapping[str, Curve], title: str = "Training loss") -> Figure:
    """Loss per modality over the steps: every value faint, their moving mean in full colour.

    What was measured on held-out clips is shown as it is, with a point for each time.
    """
    figure, axes = axes_of(title, "step", "loss")
    for name, curve in curves.items():
        color = SERIES.get(name, PURPLE)
        steps, values = _columns(curve)
        if name.endswith(MEASURED):
            axes.plot(steps, values, color=color, linewidth=2, marker="o", markersize=3, label=name)
            continue
        axes.plot(*_thin(steps, values), color=color, alpha=0.3, linewidth=0.8)
        axes.plot(*_thin(steps, _moving_mean(values)), color=color, linewidth=2, label=name)
    legend(axes, len(curves))
    return figure


def overlaid(curves: Mapping[str, Curve], title: str) -> Figure:
    """The same number of several runs: moving means over each other, the values faint behind them."""
    figure, axes = axes_of(title, "step", "")
    colors = (BLUE, ORANGE, GREEN, PURPLE)
    styles = ("-", "--", ":")
    for place, (name, curve) in enumerate(curves.items()):
        color, style = colors[place % len(colors)], styles[place // len(colors) % len(styles)]
        steps, values = _columns(curve)
        axes.plot(*_thin(steps, values), color=color, alpha=0.2, linewidth=0.7)
        axes.plot(*_thin(steps, _moving_mean(values)), color=color, linestyle=style, linewidth=2, label=name)
    axes.legend(frameon=False, fontsize=7, labelcolor=INK)
    return figure


def line(curve: Curve, title: str, y_label: str, x_label: str = "step") -> Figure:
    """One curve over the steps, such as the learning rate."""
    figure, axes = axes_of(title, x_label, y_label)
    axes.plot(*_thin(*_columns(curve)), color=BLUE, linewidth=2)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 4))
    axes.yaxis.get_offset_text().set(fontsize=8, color=INK)
    axes.set_ylim(bottom=0)
    return figure


def level_bars(levels: Sequence[float], losses: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Held-out loss per noise level, one bar per model (`base`, `LoRA`) side by side."""
    figure, axes = axes_of(title, "noise level", "loss")
    width = 0.8 / max(1, len(losses))
    for place, (name, values) in enumerate(losses.items()):
        offset = (place - (len(losses) - 1) / 2) * width
        centres = [index + offset for index in range(len(levels))]
        bars = axes.bar(centres, list(values), width * 0.94, color=SERIES.get(name, PURPLE), label=name)
        axes.bar_label(bars, fmt="%.2f", fontsize=7, color=INK, padding=1)
    axes.set_xticks(range(len(levels)), [f"{level:.3g}" for level in levels])
    axes.margins(y=0.12)
    legend(axes, len(losses))
    return figure


def histogram(values: Sequence[float], title: str, x_label: str) -> Figure:
    """How often each value occurs: one bar per value where there are few, else 12 bins."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = axes_of(title, x_label, "clips")
    counts = Counter(f"{value:.2f}" for value in values)
    if len(counts) <= MAX_SINGLE_BARS:
        names = sorted(counts, key=float)
        bars = axes.bar(range(len(names)), [counts[name] for name in names], 0.6, color=BLUE)
        axes.bar_label(bars, fontsize=8, color=INK, padding=1)
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-1, len(names))
        axes.margins(y=0.12)
    else:
        axes.hist(list(values), bins=12, color=BLUE, rwidth=0.92)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def stacked_bars(labels: Sequence[str], parts: Mapping[str, Sequence[int]], title: str) -> Figure:
    """Counts per label as horizontal bars, stacked by part (`train`, `held-out`), with the sum at the end."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = axes_of(title, "clips", "")
    figure.set_size_inches(WIDTH_IN, max(1.6, 0.9 + 0.28 * len(labels)))
    left = [0] * len(labels)
    for name, counts in parts.items():
        bars = axes.barh(
            range(len(labels)), list(counts), left=left, color=SERIES.get(name, PURPLE), label=name
        )
        left = [done + more for done, more in zip(left, counts, strict=True)]
    if parts:
        axes.bar_label(bars, [str(total) for total in left], fontsize=8, color=INK, padding=3)
    axes.set_yticks(range(len(labels)), list(labels))
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.margins(x=0.1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=False, axis="y")
    legend(axes, len(parts))
    return figure


def svg(figure: Figure, prefix: str) -> str:
    """The figure as an `<svg>` element for an HTML page: themed, texts as texts, no outside reference.

    Args:
        figure: one of this module's figures.
        prefix: unique on the page; in front of every identifier.
    """
    buffer = io.BytesIO()
    _save(figure, buffer, format="svg", transparent=True)
    text = buffer.getvalue().decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(
        r'<svg [^>]*viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', text, count=1
    )
    text = re.sub(r'id="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{prefix}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", text)
    # matplotlib before 3.11 writes one property for size and family
    text = re.sub(r"(font-family: |font: (?:\d+ )?[\d.]+px )[^;\"]+", r"\1system-ui, sans-serif", text)
    for color, name in CSS_NAMES.items():
        text = text.replace(color, f"var({name})")
    return text.strip()


def png(figure: Figure, dpi: int = 110) -> bytes:
    """The figure as a PNG on white."""
    buffer = io.BytesIO()
    _save(figure, buffer, format="png", dpi=dpi, facecolor="white")
    return buffer.getvalue()


def _save(figure: Figure, buffer: io.BytesIO, **options: Any) -> None:
    import matplotlib

    settings = {"svg.fonttype": "none", "svg.hashsalt": "ltx-flows", "path.simplify": True}
    with _LOCK, matplotlib.rc_context(settings):
        metadata = {"Date": None} if options["format"] == "svg" else None
        figure.savefig(buffer, metadata=metadata, **options)


def axes_of(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """A figure of the report's size and its axes in the report's style."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, **TITLE)
    axes.set_xlabel(x_label, fontsize=9, color=INK)
    axes.set_ylabel(y_label, fontsize=9, color=INK)
    axes.tick_params(labelsize=8, color=RULE, labelcolor=INK)
    axes.grid(visible=True, color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(RULE)
    return figure, axes


def legend(axes: Axes, entries: int) -> None:
    """Names of the entries above the plot, in one row: beside the title, or below it where they are many."""
    if entries > BESIDE_TITLE:
        axes.set_title(axes.get_title(loc="left"), **TITLE, pad=18)
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=entries,
            frameon=False,
            fontsize=8,
            labelcolor=INK,
            borderaxespad=0.2,
            borderpad=0,
            columnspacing=1.2,
            handlelength=1.4,
        )
    elif entries:
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=entries,
            frameon=False,
            fontsize=8,
            labelcolor=INK,
            borderaxespad=0.2,
        )


def _columns(curve: Curve) -> tuple[list[float], list[float]]:
    return [float(step) for step, _ in curve], [float(value) for _, value in curve]


def _moving_mean(values: Sequence[float]) -> list[float]:
    half = round(len(values) * SMOOTHING_SHARE / 2)
    result = []
    for index in range(len(values)):
        window = values[max(0, index - half) : index + half + 1]
        result.append(sum(window) / len(window))
    return result


def _thin(steps: Sequence[float], values: Sequence[float]) -> tuple[list[float], list[float]]:
    stride = max(1, -(-len(steps) // MAX_POINTS))
    return list(steps[::stride]), list(values[::stride])
