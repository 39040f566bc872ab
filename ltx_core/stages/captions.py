"""captions: a user's own text wins (dataset column, sidecar), then the captioner, then the folder's name.

Text of the user is data and kept as it is. A captioner's row depends on the clip and the caption options.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from ltx_core.curation.sidecar import sidecar_caption
from ltx_core.stages.base import Item, Stage, pending, rejected
from ltx_core.stages.clip import Clip
from ltx_core.stages.clips import all_clips
from ltx_core.stages.context import Context
from ltx_core.stages.sources import first_files
from ltx_core.store.keys import digest
from ltx_core.store.rows import PendingRow

LOCAL = {"base_url", "api_key_env", "timeout", "retries", "concurrency", "order"}
"""Caption options that change how a captioner is reached or when it is asked, not what it says."""

OF_SOUND = {"sound_prompt"}
"""Caption options that matter only in a mode without video."""
OF_PICTURES = {"prompt", "mode", "images", "sound"}
"""Caption options that matter only in a mode with video."""


@dataclass(frozen=True)
class Wanted:
    """A clip and where its caption comes from; `text` is None where a captioner is to write it."""

    clip: Clip
    text: str | None
    source: str


class Captions(Stage):
    """One row per clip."""

    name: ClassVar[str] = "captions"

    def section(self, context: Context) -> dict[str, Any]:
        """Options of the captioner; they are no part of a user's own caption's key."""
        options = asdict(context.config.dataset.captions)
        if options["captioner"] == "describe":  # it asks nobody: no option of a server changes what it says
            return {"captioner": "describe"}
        unasked = OF_SOUND if context.config.training_strategy.video is not None else OF_PICTURES
        return {name: value for name, value in options.items() if name not in LOCAL | unasked}

    def items(self, context: Context) -> list[Item]:
        """A user's caption is keyed by its text, a captioner's by the clip's frames and sound."""
        return [self._item(context, clip) for clip in all_clips(context)]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Take the user's text, or ask the captioner."""
        from ltx_core.stages.captioner import written

        asked = [item for item in items if item.payload.text is None and item.payload.source]
        answers = written(context, [item.payload.clip for item in asked])
        for item in items:
            wanted: Wanted = item.payload
            if wanted.text is not None:
                yield _row(item, wanted.text, wanted.source, {})
            elif not wanted.source:
                yield rejected(
                    item, "no caption: none in the dataset file or beside the source, and no captioner"
                )
            else:
                answer = next(answers)
                if answer.problem:
                    yield rejected(item, answer.problem)
                else:
                    yield _row(item, answer.text, wanted.source, answer.facts)

    def _item(self, context: Context, clip: Clip) -> Item:
        wanted = choose_source(context, clip)
        if wanted.text is None:
            key = self.key(context, [clip.content, wanted.source])
        else:
            key = digest([self.name, self.version, wanted.source, clip.clip_id, wanted.text])
        return Item(key, clip.clip_id, clip.name, (clip.row_key,), wanted)


def choose_source(context: Context, clip: Clip) -> Wanted:
    """The first source in the configured order that has a caption for the clip."""
    options = context.config.dataset.captions
    row = first_files(context)[clip.source].row
    for source in options.order:
        text: str | None = None
        if source == "captioner" and options.captioner != "none":
            return Wanted(clip, None, options.captioner)
        if source == "column":
            text = row.caption if row is not None else None
        elif source == "sidecar":
            text = sidecar_caption(clip.path, clip.index, clip.count)
        elif source == "folder":
            text = clip.path.parent.name.replace("_", " ").replace("-", " ")
        if text is not None and text.strip():
            return Wanted(clip, text, source)
    return Wanted(clip, None, "")


def _row(item: Item, text: str, source: str, facts: dict[str, Any]) -> PendingRow:
    columns = {"caption": text, "caption_source": source, "facts": json.dumps(facts, default=float)}
    return pending(item, columns=columns, content={"caption": text})
