"""Prompts that no dataset names: encoded on the spot, and kept in the store like every other text."""

from __future__ import annotations

from collections.abc import Iterable

from ltx_core.stages.base import Item
from ltx_core.stages.context import Context
from ltx_core.stages.text import Text, text_key
from ltx_core.store.disk import locked
from ltx_core.store.keys import digest


def encode_prompts(context: Context, texts: Iterable[str]) -> None:
    """Encode those of `texts` that are not in the store yet; needs neither a dataset nor captions.

    Raises:
        ModelError: when the text encoder is missing or damaged.
        StoreError: when the store cannot be written.
    """
    stage = context.registry[Text.name]
    items = [Item(text_key(context, stage, text), "", text[:60], (), text) for text in dict.fromkeys(texts)]
    keys = [item.key for item in items]
    with locked(context.store.root / ".locks" / f"{Text.name}-{digest(keys)}", say=True):
        there = context.store.lookup(Text.name, keys)
        missing = [item for item in items if item.key not in there]
        if missing:
            context.store.write(stage.meta(context), list(stage.compute(context, missing)))
    context.refresh()
