"""The report's section on the dataset: what trained, what did not, and what that means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ltx_core.evaluation import plots
from ltx_core.evaluation.browsing.charts import histograms
from ltx_core.evaluation.browsing.facts import kind_of_reason
from ltx_core.evaluation.caption_warnings import caption_warnings
from ltx_core.evaluation.markup import Html, element, image_uri, joined, table
from ltx_core.evaluation.report import DatasetFacts
from ltx_core.evaluation.report_tables import number, shortened

MAX_NAMES = 20
"""Names listed in a sentence before it says how many more there are."""
MAX_REJECTED = 200
MISSING_AUDIO = {
    "mask": "They train the video as all others do and add nothing to the audio loss.",
    "drop": "They were left out, since `missing_audio` is `drop`.",
    "zeros": "They count as silence: the audio loss teaches silence for their captions.",
    "": "The mode has no audio, so this changes nothing.",
}


def dataset_section(data: DatasetFacts) -> Html:
    """The section's content; empty without clips and without rejected rows."""
    if not (data.buckets or data.rejected):
        return Html("")
    return joined(
        [
            _summary(data),
            _page(data),
            _strip(data),
            element("div", *_drawings(data), class_="plots"),
            _measures(data),
            _captions(data),
            _silent(data),
            _truncated(data),
            _rejected(data),
        ]
    )


def _summary(data: DatasetFacts) -> Html:
    text = f"{_count(data.train, 'clip')} trained and {_count(data.heldout, 'clip')} were held out"
    origin = f", cut from {_count(data.sources, 'source')}" if data.sources else ""
    length = f"; {number(float(sum(data.durations)))} s of footage" if data.durations else ""
    prior = f". {data.prior:,} of those that trained are regularisation" if data.prior else ""
    return element("p", f"{text}{origin}{length}{prior}.")


def _page(data: DatasetFacts) -> Html:
    """The way to the page of the dataset, or how to make it."""
    if data.page:
        return element("p", element("a", "Browse the dataset: every clip with its scores", href=data.page))
    return element("p", "`ltx show CONFIG` writes a page to browse every clip by.", class_="soft")


def _strip(data: DatasetFacts) -> Html | None:
    if not data.strip:
        return None
    alt = "A frame of each of some clips, of every source in turn"
    picture = element("img", src=image_uri(data.strip), alt=alt)
    figure = element("figure", element("div", picture, class_="strip"), element("figcaption", alt))
    return element("div", figure, class_="sheets")


def _measures(data: DatasetFacts) -> Html | None:
    if not data.measures:
        return None
    name = f"Histograms of {len(data.measures)} measures"
    return element("details", element("summary", name), histograms(data.measures))


def _drawings(data: DatasetFacts) -> list[Html]:
    figures = []
    if data.buckets:
        labels = [bucket.label for bucket in data.buckets]
        parts = {"train": [b.train for b in data.buckets], "held-out": [b.heldout for b in data.buckets]}
        drawing = plots.svg(plots.stacked_bars(labels, parts, "Clips per bucket"), "buckets")
        words = "; ".join(f"{b.label}: {b.train} train, {b.heldout} held out" for b in data.buckets)
        figures.append(plot_figure(drawing, f"Clips per bucket. {words}."))
    if data.durations:
        drawing = plots.svg(plots.histogram(data.durations, "Durations", "seconds"), "durations")
        shortest, longest = min(data.durations), max(data.durations)
        words = f"Durations of the clips, from {number(shortest)} to {number(longest)} seconds."
        figures.append(plot_figure(drawing, words))
    return figures


def plot_figure(drawing: str, text: str) -> Html:
    """An SVG with what it shows in words."""
    return element("figure", element("div", Html(drawing), role="img", aria_label=text))


def _captions(data: DatasetFacts) -> Html | None:
    if not data.caption_sources:
        return None
    rows = [[name, number(count)] for name, count in data.caption_sources.items()]
    parts = [element("h3", "Captions"), table(["from", "clips"], rows, "Captions by origin", [1])]
    if data.caption_usage:
        parts.append(element("p", data.caption_usage))
    return joined([*parts, *(element("p", text) for text in caption_warnings(data))])


def _silent(data: DatasetFacts) -> Html | None:
    if not data.silent:
        return None
    meaning = MISSING_AUDIO.get(data.missing_audio, f"`missing_audio` is `{data.missing_audio}`.")
    verb = "has" if len(data.silent) == 1 else "have"
    text = f"{_count(len(data.silent), 'clip')} {verb} no sound: {_names(data.silent)}. {meaning}"
    return joined([element("h3", "Clips without sound"), element("p", text)])


def _truncated(data: DatasetFacts) -> Html | None:
    if not data.truncated:
        return None
    tokens = sum(data.truncated.values())
    text = (
        f"The text encoder could not take the end of {_count(len(data.truncated), 'caption')} "
        f"({_count(tokens, 'token')} in all): {_names(list(data.truncated))}. "
        "The captions are kept whole in the store; shorten them where their end matters."
    )
    return joined([element("h3", "Captions longer than the encoder's limit"), element("p", text)])


def _rejected(data: DatasetFacts) -> Html:
    if not data.rejected:
        return element("p", "Nothing was rejected.")
    rows = [
        [shortened(item.what, 120), item.stage, shortened(item.reason)]
        for item in data.rejected[:MAX_REJECTED]
    ]
    more = len(data.rejected) - len(rows)
    kinds = Counter((item.stage, kind_of_reason(item.reason)) for item in data.rejected)
    counts = [[stage, shortened(kind), number(count)] for (stage, kind), count in kinds.most_common()]
    return joined(
        [
            element("h3", f"Not used ({len(data.rejected):,})"),
            table(["stage", "reason", "how many"], counts, "How much was not used, by reason", [2]),
            table(["what", "stage", "reason"], rows, "What was not used, and why"),
            element("p", f"And {more:,} more; `ltx show` lists all.", class_="soft") if more else None,
        ]
    )


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _names(names: Sequence[str]) -> str:
    listed = ", ".join(shortened(name, 80) for name in names[:MAX_NAMES])
    return listed if len(names) <= MAX_NAMES else f"{listed} and {len(names) - MAX_NAMES:,} more"
