"""scorers: scores of clips by functions of the user's own, of the frames that training will see.

A stage beside `scores`, since these need a clip's pixels and thresholds of the others decide which clips are
looked at. A row per clip and scorer.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.curation.functions import call, load, mark
from ltx_core.errors import LtxError
from ltx_core.stages.base import Item, Stage, pending, rejected, unusable
from ltx_core.stages.context import Context
from ltx_core.stages.filtered import SCORERS, kept_clips, measured_clips
from ltx_core.store.rows import PendingRow

if TYPE_CHECKING:
    from ltx_core.curation.options.filters import Scorer
    from ltx_core.stages.clip import Clip

SOUND_RATE = 16_000
"""Samples per second of the sound that a scorer gets."""


class Scorers(Stage):
    """Scores by import path."""

    name: ClassVar[str] = SCORERS

    def needed(self, context: Context) -> bool:
        """Where there is one that is asked, in a mode with video."""
        return bool(_asked(context))

    def of_frames(self, context: Context) -> bool:
        """They are; but where they decide which clips are kept, no other stage can go along."""
        return not _decides(context)

    def items(self, context: Context) -> list[Item]:
        """One per clip and scorer, keyed by what the function is given and by its version."""
        return [
            Item(
                self.key(context, [clip.content, scorer.name, scorer.function, mark(scorer.function)]),
                clip.clip_id,
                f"{clip.name} ({scorer.name})",
                (clip.row_key,),
                (clip, scorer),
                scorer.name,
            )
            for scorer in _asked(context)
            for clip in _looked_at(context)
        ]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Call each function.

        Raises:
            LtxError: when a function fails, or gives no number; the message names it and the clip.
        """
        from ltx_core.media.errors import MediaError

        for item in items:
            clip, scorer = item.payload
            try:
                given = _given(context, clip, scorer)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            yield pending(item, columns={"score": _score(clip, scorer, given)})


def _asked(context: Context) -> list[Scorer]:
    if context.config.training_strategy.video is None:
        return []
    return [scorer for scorer in context.config.dataset.filters.scorers if scorer.mode != "off"]


def _decides(context: Context) -> bool:
    """Whether what follows waits for the scores."""
    return any(scorer.mode == "on" for scorer in _asked(context))


def _looked_at(context: Context) -> list[Clip]:
    """The clips that are left: before duplicates where the scores decide which of these is kept."""
    return measured_clips(context) if _decides(context) else kept_clips(context)


def _given(context: Context, clip: Clip, scorer: Scorer) -> list[Any]:
    """The frames, and the sound for a function that takes it."""
    frames = context.models.frames(clip)
    needed = [
        one
        for one in inspect.signature(load(scorer.function)).parameters.values()
        if one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    return [frames] if len(needed) < 2 else [frames, context.models.sound(clip, SOUND_RATE)]


def _score(clip: Clip, scorer: Scorer, given: Sequence[Any]) -> float:
    """What the function gives."""
    try:
        value = call(scorer.function, *given)
    except LtxError as error:
        raise LtxError(f"scorer {scorer.name}, {clip.name}: {error}") from error
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise LtxError(
            f"scorer {scorer.name}, {clip.name}: {scorer.function} gave {value!r:.80}; it must give a number"
        )
    return number
