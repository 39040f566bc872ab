"""text: embeddings of captions, valid tokens only; equal captions are encoded and stored once.

The stage is what the public trainer calls the `conditions` folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from ltx_core.config.texts import ENCODER
from ltx_core.stages.base import Item, Stage, pending, precisions
from ltx_core.stages.context import Context
from ltx_core.stages.scores import kept_clips
from ltx_core.store.keys import digest
from ltx_core.store.rows import PendingRow, Row


class Text(Stage):
    """One row per distinct text, and one for the empty prompt."""

    name: ClassVar[str] = "text"

    def section(self, context: Context) -> dict[str, Any]:
        """Precision of the model and of storage, and how the text encoder is quantised."""
        method = context.config.acceleration.text_method
        return {**precisions(context), **({} if method is None else {"quantization": method})}

    def fingerprint(self, context: Context) -> str:
        """Text encoder, tokenizer and the projection in front of the connectors."""
        return digest(
            [context.info.fingerprint(part) for part in ("text_encoder", "tokenizer", "connectors")]
        )

    def items(self, context: Context) -> list[Item]:
        """Distinct texts in order of their clips; the empty and the negative prompt come first."""
        texts: dict[str, tuple[str, ...]] = {text: () for text in prompts(context)}
        for _, row in context.results("captions"):
            if row.ok:
                texts.setdefault(full_text(context, row), (row.row_key,))
        return [
            Item(text_key(context, self, text), "", text[:60], inputs, text) for text, inputs in texts.items()
        ]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Encode each text without padding."""
        from ltx_core.encoding.text import encode_text

        codec, dtype = context.models.text(), context.config.dataset.latents_dtype
        for item in items:
            tensors, dropped = encode_text(codec, item.payload, dtype)
            tokens = int(next(iter(tensors.values())).shape[0])
            yield pending(
                item,
                tensors=tensors,
                columns={"text": item.payload, "tokens": tokens, "dropped_tokens": dropped},
            )


def text_key(context: Context, stage: Stage, text: str) -> str:
    """Row key of a text's embedding."""
    return stage.key(context, [digest(text)])


def prompts(context: Context) -> list[str]:
    """Texts that every run needs beside the captions: the empty prompt and those of its samples."""
    if context.config.imported and not set(ENCODER) <= set(context.info.components):
        return []  # preflight has made sure that none of them is asked for
    validation = context.config.validation
    return ["", validation.negative_prompt, *(sample.prompt for sample in validation.samples)]


def full_text(context: Context, row: Row) -> str:
    """A caption with its source's trigger added, unless it says it already."""
    trigger = _own_triggers(context).get(row.clip_id, context.config.dataset.trigger)
    return with_trigger(str(row.columns["caption"]), trigger)


def _own_triggers(context: Context) -> dict[str, str]:
    """Triggers of the clips whose source says another one than the dataset, or none."""

    def find() -> dict[str, str]:
        if all(file.origin.trigger is None for file in context.sources):
            return {}
        triggers = ((clip.clip_id, clip.file.origin.trigger) for clip in kept_clips(context))
        return {clip_id: trigger for clip_id, trigger in triggers if trigger is not None}

    return context.memo("own triggers", find)


def with_trigger(caption: str, trigger: str) -> str:
    """The caption with the trigger behind it, unless it says it already, as whole words in any case."""
    said = re.search(rf"(?<!\w){re.escape(trigger)}(?!\w)", caption, re.IGNORECASE)
    return caption if said or not trigger else f"{caption.rstrip().rstrip('.')}, {trigger}"
