"""What an owner should know of the captions before trusting what was learnt from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

SHARED_FROM = 4
"""Clips with one caption from which it is named: so many tell the model nothing apart."""
SHOWN, LETTERS = 3, 60
MEASURED = (
    "Captions from `describe` are measurements of colours, movement and loudness, not of content: they do "
    "not say what is to be seen. Use a captioner that sees, or write them (`ltx captions edit`), before you "
    "trust the LoRA with real prompts."
)


class Captioned(Protocol):
    """The part of the dataset's facts that is about captions."""

    @property
    def caption_sources(self) -> Mapping[str, int]:
        """Where captions came from -> clips."""

    @property
    def shared_captions(self) -> Mapping[str, int]:
        """Captions that many clips share -> those clips."""


def caption_warnings(data: Captioned) -> list[str]:
    """Sentences for the report and the card; none where all is well."""
    found = []
    if count := data.caption_sources.get("describe", 0):
        found.append(f"{count:,} of {sum(data.caption_sources.values()):,} captions are measured. {MEASURED}")
    if data.shared_captions:
        clips = sum(data.shared_captions.values())
        listed = "; ".join(
            f'"{text if len(text) <= LETTERS else text[:LETTERS] + "..."}" ({count:,})'
            for text, count in list(data.shared_captions.items())[:SHOWN]
        )
        found.append(
            f"{clips:,} clips share {len(data.shared_captions):,} captions, each said of more than "
            f"{SHARED_FROM - 1}: {listed}. What tells such clips apart cannot be asked for."
        )
    return found


def shared_captions(captions: Iterable[str]) -> dict[str, int]:
    """Captions that at least `SHARED_FROM` clips share, the most frequent first."""
    counted = Counter(captions).most_common()
    return {text: count for text, count in counted if count >= SHARED_FROM}
