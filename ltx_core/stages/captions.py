"""captions: a user's own text wins (edited, column, sidecar), then the captioner, then the folder's name.

Text of the user is data and kept as it is. A captioner's row depends on the clip and the caption options;
its answer is kept as it came beside the caption that was made of it, with what it took.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.stages.base import Item, Stage, pending, rejected
from ltx_core.stages.caption_keys import CLEANING, Wanted, choose_source, prompt_of, section
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.scores import kept_clips
from ltx_core.store.keys import digest, row_key
from ltx_core.store.rows import PendingRow, Row

if TYPE_CHECKING:
    from ltx_core.stages.captioner import Written


class Captions(Stage):
    """One row per clip."""

    name: ClassVar[str] = "captions"

    def of_frames(self, context: Context) -> bool:
        """Where they are written from measured facts: of the very frames that are encoded."""
        return context.config.dataset.captions.captioner == "describe"

    def section(self, context: Context) -> dict[str, Any]:
        """Options of the captioner; they are no part of a user's own caption's key."""
        return section(context)

    def fingerprint(self, context: Context) -> str:
        """Of the captioner that runs in this process."""
        options = context.config.dataset.captions
        if options.captioner != "transformers":
            return ""
        from ltx_core.models.fingerprint import fingerprint_folder

        return fingerprint_folder(Path(options.model))

    def items(self, context: Context) -> list[Item]:
        """A user's caption is keyed by its text, a captioner's by the clip's frames and sound."""
        return [self._item(context, clip) for clip in kept_clips(context)]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Take the user's text, or ask the captioner."""
        from ltx_core.stages.captioner import written

        asked = [item.payload for item in items if item.payload.text is None and item.payload.source]
        answers = written(context, asked)
        for item in items:
            wanted: Wanted = item.payload
            if wanted.text is not None:
                yield _row(item, wanted.text, wanted.source, {})
            elif not wanted.source:
                yield rejected(
                    item, "no caption: none in the dataset file or beside the source, and no captioner"
                )
            else:
                yield _answered(item, next(answers))

    def summary(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Where the captions come from, and what those of a captioner took."""
        return summary(rows)

    def _item(self, context: Context, clip: Clip) -> Item:
        wanted = choose_source(context, clip)
        if wanted.text is not None:
            key = digest([self.name, self.version, wanted.source, clip.clip_id, wanted.text])
            return Item(key, clip.clip_id, clip.name, (clip.row_key,), wanted)
        inputs = [clip.content, wanted.source]
        if wanted.source not in ("", "describe"):
            prompt, of_clip = prompt_of(context, clip)
            inputs += [prompt] if of_clip else []
            wanted = replace(wanted, prompt=prompt, asked=self._asked(context, inputs))
        return Item(self.key(context, inputs), clip.clip_id, clip.name, (clip.row_key,), wanted)

    def _asked(self, context: Context, inputs: Sequence[str]) -> str:
        """Digest of what an answer depends on: the key's parts but for how an answer is cleaned."""

        def parts() -> tuple[dict[str, Any], str]:
            found = self.section(context)
            return {k: v for k, v in found.items() if k not in CLEANING}, self.fingerprint(context)

        asked, fingerprint = context.memo(("asked", self.name), parts)
        return row_key("answer", self.version, asked, inputs, fingerprint)


def _row(item: Item, text: str, source: str, columns: dict[str, Any]) -> PendingRow:
    found = {"caption": text, "caption_source": source, "facts": "{}", **columns}
    return pending(item, columns=found, content={"caption": text})


def _answered(item: Item, answer: Written) -> PendingRow:
    wanted: Wanted = item.payload
    columns: dict[str, Any] = {"facts": json.dumps(answer.facts, default=float)}
    if answer.answered is not None:
        said = answer.answered
        columns |= {
            "raw": said.raw,
            "asked": wanted.asked,
            "prompt_tokens": said.prompt_tokens,
            "completion_tokens": said.completion_tokens,
            "requests": said.requests,
            "cost": said.cost,
            "sent": said.sent,
            "cut": said.cut,
        }
    if answer.problem:
        return rejected(item, answer.problem, columns=columns, content={})
    return _row(item, answer.text, wanted.source, columns)


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Sums over rows: clips by source, tokens, requests and cost where a server said them."""
    sources: dict[str, int] = {}
    counts = {"prompt_tokens": 0, "completion_tokens": 0, "requests": 0}
    cost = 0.0
    for row in rows:
        source = row.columns.get("caption_source")
        if source:
            sources[source] = sources.get(source, 0) + 1
        for name in counts:
            counts[name] += int(row.columns.get(name) or 0)
        cost += float(row.columns.get("cost") or 0.0)
    found: dict[str, Any] = {"caption_sources": sources}
    if counts["requests"]:
        found |= {**counts, "cost": round(cost, 6)}
    return found


def usage_words(rows: Sequence[Row]) -> str:
    """What captions of a server or a model took, in a sentence; "" where none was asked."""
    found = summary(rows)
    if "requests" not in found:
        return ""
    cost = f", at a cost of {found['cost']:.4g}" if found["cost"] else ""
    return (
        f"{found['requests']:,} requests, {found['prompt_tokens']:,} tokens sent and "
        f"{found['completion_tokens']:,} received{cost}."
    )
