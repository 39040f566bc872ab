"""The card of a clip: what can be seen of it, its caption, its scores as bars with their limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ltx_core.evaluation.browsing.facts import PART, SPLITS, ClipFacts, Limit, Look, score_words
from ltx_core.evaluation.browsing.links import anchor, href, own_page
from ltx_core.evaluation.browsing.style import MAX_LOOKS
from ltx_core.evaluation.markup import Html, element, joined
from ltx_core.evaluation.report_tables import number, shortened

CAPTION_LETTERS = 400
"""Letters of a caption on a card; the clip's own page has all."""


@dataclass(frozen=True)
class Scale:
    """What all cards share: limits and the range of every score in the dataset, for bars of one scale."""

    limits: Mapping[str, Limit]
    ranges: Mapping[str, tuple[float, float]]


def scale_of(clips: Sequence[ClipFacts], limits: Mapping[str, Limit]) -> Scale:
    """The range of every score over all clips, limits included."""
    ranges: dict[str, tuple[float, float]] = {}
    for clip in clips:
        for name, value in clip.scores.items():
            if math.isfinite(value):
                low, high = ranges.get(name, (value, value))
                ranges[name] = (min(low, value), max(high, value))
    for name, (low, high) in ranges.items():
        ends = limits[name].values if name in limits else ()
        ranges[name] = (min(low, *ends), max(high, *ends)) if ends else (low, high)
    return Scale(limits, ranges)


def card(clip: ClipFacts, scale: Scale, has_page: bool) -> Html:
    """A clip on a page of clips; `has_page`: whether it has a page of its own."""
    name = element("a", clip.name, href=href(own_page(clip.clip_id))) if has_page else clip.name
    return element(
        "article",
        element("h3", name),
        looks(clip),
        badges(clip),
        *remarks(clip),
        caption(clip, CAPTION_LETTERS),
        facts_list(short_facts(clip)),
        score_bars(clip, scale),
        class_="card aside" if clip.aside else "card",
        id=anchor(clip.clip_id),
    )


def looks(clip: ClipFacts, up: str = "") -> Html:
    """What can be seen of a clip, one at a time: buttons choose which."""
    shown = clip.looks[:MAX_LOOKS]
    if not shown:
        return element("div", "no preview; `--clips N` makes more", class_="blank")
    if len(shown) == 1:
        return element("div", look(shown[0], clip, up), class_="pair")
    group = f"look-{anchor(clip.clip_id)}"
    choices = joined(
        joined(
            [
                element("input", type="radio", name=group, id=f"{group}-{n}", value=str(n), checked=n == 0),
                element("label", one.label, for_=f"{group}-{n}"),
            ]
        )
        for n, one in enumerate(shown)
    )
    pictures = (look(one, clip, up) for one in shown)
    return element("fieldset", element("legend", "Show"), choices, *pictures, class_="looks")


def look(one: Look, clip: ClipFacts, up: str = "") -> Html:
    """One picture, player or sound."""
    alt = one.alt or f"{one.label} of {clip.name}"
    still = element("img", src=href(one.still, up), alt=alt, loading="lazy") if one.still else None
    parts: list[Html | None] = [still]
    if one.kind == "video":
        poster = href(one.still, up) if one.still else None
        parts = [
            element(
                "video",
                src=href(one.media, up),
                poster=poster,
                controls=True,
                loop=True,
                playsinline=True,
                preload="none" if one.still else "metadata",
                aria_label=alt,
            )
        ]
    elif one.kind == "audio":
        parts.append(element("audio", src=href(one.media, up), controls=True, preload="none", aria_label=alt))
    elif not one.still:
        parts = [element("p", one.note or "nothing to see", class_="blank")]
        return element("div", *parts, class_="look")
    parts.append(element("p", one.note, class_="soft") if one.note else None)
    return element("div", *parts, class_="look")


def badges(clip: ClipFacts) -> Html:
    """Split, bucket and flags as small labels."""
    plain = [SPLITS.get(clip.split, clip.split), clip.bucket] if not clip.aside else [clip.bucket]
    items = [element("li", text) for text in plain if text]
    items += [element("li", flag, class_="warn") for flag in clip.flags]
    return element("ul", *items, class_="badges") if items else Html("")


def remarks(clip: ClipFacts) -> list[Html]:
    """Why a clip is set aside, and what filters that only report say of it."""
    said = [element("p", f"Set aside: {shortened(clip.aside)}")] if clip.aside else []
    return said + [
        element("p", reason, class_="soft") for _, reason in clip.found if reason not in clip.aside
    ]


def caption(clip: ClipFacts, letters: int) -> Html | None:
    """The caption and where it comes from; one of measured facts says so."""
    if not clip.caption:
        return None
    origin = "described from measured facts; nobody wrote it" if clip.described else clip.caption_source
    return joined(
        [
            element("p", shortened(clip.caption, letters), class_="caption"),
            element("p", f"caption: {origin}", class_="soft") if origin else None,
        ]
    )


def short_facts(clip: ClipFacts) -> list[tuple[str, str]]:
    """Source, times, rates and sound."""
    found: list[tuple[str, str]] = []
    if clip.source:
        found.append(("source", clip.source))
        found.append(("times", f"{clip.start_s:.3f} s to {clip.end_s:.3f} s"))
    if clip.source_fps:
        size = f", {clip.width} x {clip.height}" if clip.width else ""
        found.append(("source rate", f"{clip.source_fps:.4g} frames per second{size}"))
    if clip.fps and clip.seconds:
        found.append(("as trained", f"{clip.seconds:.4g} s at {clip.fps:g} frames per second"))
    if clip.repeats != 1:
        found.append(("in an epoch", f"{clip.repeats:g} times"))
    if clip.sound:
        found.append(("sound", clip.sound))
    return found


def facts_list(facts: Sequence[tuple[str, str]]) -> Html | None:
    """Facts as a list of terms."""
    if not facts:
        return None
    pairs = (joined([element("dt", name), element("dd", value)]) for name, value in facts)
    return element("dl", *pairs, class_="facts")


def score_bars(clip: ClipFacts, scale: Scale) -> Html | None:
    """Every score as a bar over the dataset's range; limits are ticks."""
    if not clip.scores:
        return None
    cells: list[Html] = []
    for name, value in clip.scores.items():
        limit = scale.limits.get(name)
        words = f"{name}: {number(value)}" + (f"; {limit.words()}" if limit and limit.words() else "")
        plain, unit = score_words(name)
        cells.append(element("span", f"{plain}, {unit}" if unit and unit != PART else plain))
        cells.append(bar(value, scale.ranges.get(name, (0.0, 0.0)), limit, words))
        cells.append(element("span", number(value)))
    return element("div", *cells, class_="scores")


def bar(value: float, ends: tuple[float, float], limit: Limit | None, words: str) -> Html:
    """One bar: filled to the value's place between the ends, a tick at each limit."""
    beyond = limit is not None and math.isfinite(value) and not limit.holds(value)
    ticks = [] if limit is None else [place(end, ends) for end in limit.values]
    filled = place(value, ends) if math.isfinite(value) else 0.0
    return element(
        "span",
        element("span", class_="fill", style=f"width:{filled:.1f}%"),
        *(element("span", class_="tick", style=f"left:{min(at, 99):.1f}%") for at in ticks),
        class_="bar beyond" if beyond else "bar",
        role="img",
        aria_label=words,
        title=words,
    )


def place(value: float, ends: tuple[float, float]) -> float:
    """Per cent of the way between the ends."""
    low, high = ends
    return 100.0 if high <= low else max(0.0, min(100.0, 100 * (value - low) / (high - low)))
