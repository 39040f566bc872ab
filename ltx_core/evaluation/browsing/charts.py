"""Histograms and counts of a dataset, as SVG with what they show in words, and as tables with bars."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from ltx_core.evaluation import plots
from ltx_core.evaluation.browsing.bars import histogram_svg
from ltx_core.evaluation.browsing.card import place
from ltx_core.evaluation.browsing.facts import ClipFacts, Measure
from ltx_core.evaluation.markup import Html, element, joined, printable, table
from ltx_core.evaluation.report_tables import number, shortened

MAX_BARS = 30
"""Rows of a table of counts before the rest is summed up."""


def histograms(found: Sequence[Measure]) -> Html:
    """All of them, in a grid."""
    return element("div", *(_figure(one) for one in found), class_="plots")


def _figure(one: Measure) -> Html:
    drawing = histogram_svg(one.values, one.name, one.unit, one.limits)
    low, middle, high = (number(of(one.values)) for of in (min, statistics.median, max))
    values = f"from {low} to {high}, half of them below {middle}" if low != high else f"{low} in all"
    unit = f" ({one.unit})" if one.unit else ""
    words = f"{one.name}{unit} of {len(one.values):,} clips: {values}."
    if one.limits:
        words += f" Limits: {', '.join(f'{limit:g}' for limit in one.limits)}."
    return element(
        "figure",
        element("div", drawing, role="img", aria_label=words),
        element("figcaption", words),
    )


def bucket_bars(clips: Sequence[ClipFacts]) -> Html | None:
    """Clips per bucket, by split."""
    counts = Counter((clip.bucket, clip.split) for clip in clips if clip.split)
    labels = sorted({bucket for bucket, _ in counts})
    if not labels:
        return None
    names = {"train": "train", "heldout": "held-out", "gap": "gap"}
    parts = {
        name: [counts[label, split] for label in labels]
        for split, name in names.items()
        if any(counts[label, split] for label in labels)
    }
    safe = [printable(label).replace("$", r"\$") for label in labels]  # a dollar begins a formula
    drawing = plots.svg(plots.stacked_bars(safe, parts, "Clips per bucket"), "buckets")
    words = "; ".join(
        f"{label}: " + ", ".join(f"{values[n]} {name}" for name, values in parts.items())
        for n, label in enumerate(labels)
    )
    return element(
        "figure", element("div", Html(drawing), role="img", aria_label=f"Clips per bucket. {words}.")
    )


def counted(title: str, what: str, values: Sequence[str]) -> Html | None:
    """How often each of some texts occurs, as a table with bars; nothing for one text and none."""
    counts = Counter(value for value in values if value).most_common()
    if not counts:
        return None
    top = counts[0][1]
    rows = [[shortened(name, 160), _length(count, top), f"{count:,}"] for name, count in counts[:MAX_BARS]]
    if len(counts) > MAX_BARS:
        rest = counts[MAX_BARS:]
        rows.append([f"{len(rest):,} more", Html(""), f"{sum(count for _, count in rest):,}"])
    headers = [what, Html('<span class="soft">share of the largest</span>'), "clips"]
    return joined([element("h3", title), element("div", table(headers, rows, title, [2]), class_="counts")])


def _length(count: int, top: int) -> Html:
    filled = element("span", class_="fill", style=f"width:{place(count, (0, top)):.1f}%")
    return element("span", filled, class_="bar", aria_hidden="true", style="display:block")
