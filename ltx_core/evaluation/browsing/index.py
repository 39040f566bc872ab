"""The first page: the dataset at a glance, its histograms, what was set aside, and a search over all clips.

Design choices
- The search works on compact data inside the page (a few hundred bytes a clip) and makes the cards that are
  looked at; every clip is also on a static page, so that a reader without scripts misses the search alone.
- Data goes into the page as JSON without `<`, `>` and `&`, and reaches the document as text only.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ltx_core.evaluation.browsing.charts import bucket_bars, counted, histograms
from ltx_core.evaluation.browsing.facts import SPLITS, ClipFacts, Collection, kind_of_reason, measures
from ltx_core.evaluation.browsing.links import (
    ASIDE,
    PER_PAGE,
    TWINS,
    anchor,
    clips_page,
    href,
    own_page,
    page_of,
)
from ltx_core.evaluation.browsing.page import document
from ltx_core.evaluation.browsing.script import SEARCH
from ltx_core.evaluation.markup import Html, element, joined, printable, table
from ltx_core.evaluation.report_tables import number

LETTERS = 160
"""Letters of a caption that the search sees and shows."""
DIGITS = 4


def index_page(data: Collection, own: frozenset[str]) -> str:
    """The page; `own`: ids of the clips that have a page of their own."""
    body = [
        _numbers(data),
        *(element("p", note, class_="soft") for note in data.notes),
        _section("clips", f"Clips ({len(data.clips):,})", _search(data, own)),
        _section("measures", "Measures", histograms(measures(data.clips, data.limits))),
        _section("counts", "Counts", _counts(data)),
        _section("aside", f"Set aside ({len(data.aside):,})", reasons(data)),
        _section("alike", f"Look-alikes ({len(data.twins):,} groups)", _alike(data)),
    ]
    return document(data.title, body, script=SEARCH)


def _section(anchor: str, title: str, *content: Html | None) -> Html:
    return element("section", element("h2", title), *content, id=anchor)


def _numbers(data: Collection) -> Html:
    splits = Counter(clip.split for clip in data.clips)
    seconds = sum(clip.seconds for clip in data.clips if clip.split)
    tiles = [(words, f"{splits[split]:,}") for split, words in SPLITS.items() if splits[split]]
    tiles += [("footage", f"{number(seconds)} s")] if seconds else []
    tiles += [
        ("sources", f"{len({c.source for c in data.clips if c.source}):,}"),
        ("set aside", f"{len(data.aside):,}"),
    ]
    tiles += [("dataset", data.digest[:12])] if data.digest else []
    pairs = (element("div", element("dt", name), element("dd", value)) for name, value in tiles)
    return element("dl", *pairs, class_="numbers")


def _counts(data: Collection) -> Html:
    bars = bucket_bars(data.clips)
    return joined(
        [
            element("div", bars, class_="plots") if bars else None,
            counted("Clips per source", "source", [clip.source for clip in data.clips]),
            counted("Captions by origin", "origin", [clip.caption_source for clip in data.clips]),
            counted("Sound", "sound", [clip.sound for clip in data.clips]),
        ]
    )


def reasons(data: Collection) -> Html:
    """Counts per stage and kind of reason."""
    counts = Counter((one.stage, kind_of_reason(one.reason)) for one in data.aside)
    if not counts:
        return element("p", "Nothing was set aside.")
    rows = [[stage, reason, f"{count:,}"] for (stage, reason), count in counts.most_common()]
    return joined(
        [
            table(["stage", "reason", "how many"], rows, "What was set aside, and why", [2]),
            element("p", element("a", "Each of them, with its reason", href=href(ASIDE))),
        ]
    )


def _alike(data: Collection) -> Html:
    if not data.twins:
        return element("p", "No look-alikes were found.")
    return element("p", element("a", "Near-duplicates side by side", href=href(TWINS)))


def _search(data: Collection, own: frozenset[str]) -> Html:
    pages = range(1, -(-len(data.clips) // PER_PAGE) + 1)
    links = joined(element("a", str(n), href=href(clips_page(n))) for n in pages)
    return joined(
        [
            element("noscript", element("p", "The search needs scripts; the pages below do not.")),
            element("div", id="tools", class_="tools", role="search"),
            element("p", id="found", class_="soft", aria_live="polite"),
            element("div", id="results", class_="cards"),
            element("div", id="pager", class_="pager"),
            element(
                "details",
                element("summary", f"All clips with players, {PER_PAGE} a page"),
                element("p", links, class_="pager"),
            ),
            element("script", Html(as_json(search_data(data, own))), type="application/json", id="data"),
        ]
    )


def search_data(data: Collection, own: frozenset[str]) -> dict[str, Any]:
    """What the search works on: names of the scores, and one list per clip."""
    scores = list(dict.fromkeys(name for clip in data.clips for name in clip.scores))
    return {"scores": scores, "clips": list(_entries(data, own, scores))}


def _entries(data: Collection, own: frozenset[str], scores: Sequence[str]) -> Iterator[list[Any]]:
    for index, clip in enumerate(data.clips):
        card = href(page_of(index)) + "#" + anchor(clip.clip_id)
        yield [
            printable(clip.name),
            href(own_page(clip.clip_id)) if clip.clip_id in own else card,
            _still(clip),
            printable(clip.caption[:LETTERS]),
            SPLITS.get(clip.split, clip.split) if not clip.aside else "set aside",
            clip.bucket,
            printable(clip.source),
            clip.caption_source,
            list(clip.flags),
            [_rounded(clip.scores.get(name)) for name in scores],
            round(clip.seconds, 3),
        ]


def _still(clip: ClipFacts) -> str:
    return next((href(look.still) for look in clip.looks if look.still), "")


def _rounded(value: float | None) -> float | None:
    """Few digits; JSON knows no infinity."""
    return float(f"{value:.{DIGITS}g}") if value is not None and math.isfinite(value) else None


def as_json(value: object) -> str:
    """JSON that is safe inside a script element: nothing in it can end the element or begin markup."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text.encode("utf-8", "replace").decode("utf-8")  # halves of surrogate pairs cannot be written
