"""Held-out loss beside the steps of a training: by condition and level, on held-out and on training clips.

Design choices
- Few passes: each clip at one level or a few (`evaluation.draws`), several clips in a pass, shared among the
  processes.
- What goes into a pass depends on the clips alone. So the numbers are equal for any number of processes.
- Training clips are measured with the same draws as held-out ones; the regularisation's are left out.
- The loss without a condition is over the tokens that are generated with it: both are of the same tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from accelerate import Accelerator
from torch import Tensor

from ltx_core.assemble import Batch, Coins, assemble
from ltx_core.diffusion.track import Track
from ltx_core.evaluation.draws import chosen_clips, levels_of
from ltx_core.evaluation.heldout import loss_tokens, midpoint_levels, row_losses, with_model
from ltx_core.evaluation.levers import levers, without
from ltx_core.models.velocity import Velocity
from ltx_core.modes import Strategy, attaching, holding
from ltx_core.stages.batches import Contexts, Rows, scales
from ltx_core.stages.context import Context
from ltx_core.stages.mixture import shape_tokens
from ltx_core.store.dataset import Sample
from ltx_core.training.heldout_log import ALL, HeldoutRow
from ltx_core.training.spread import spread

PASS_ROWS, PASS_TOKENS = 8, 16384
"""Most rows, and tokens of theirs, of one forward pass."""
Key = tuple[str, str, str, int]
"""Split, modality, condition, index of the level."""


@dataclass(frozen=True)
class Pass:
    """What one forward pass measures.

    Attributes:
        split: "heldout" or "train".
        condition: "all", or what is left out.
        coins: the draws that do so.
        clips: B clips of one shape; a clip may be there at several levels.
        at: B indices of the levels.
    """

    split: str
    condition: str
    coins: Coins | None
    clips: tuple[str, ...]
    at: tuple[int, ...]


def optional_conditions(strategy: Strategy) -> dict[str, Coins | None]:
    """What is measured: all conditions, and without each that a training does not always apply."""
    found: dict[str, Coins | None] = {ALL: None}
    for lever in levers(strategy):
        stream = strategy.streams[lever.modality]
        by_index = dict([*holding(stream), *attaching(stream)])
        if lever.index is not None and by_index[lever.index].probability < 1:
            found[f"without {lever.key}"] = without(lever)
    return found


class HeldoutLoss:
    """The evaluation of one training."""

    def __init__(
        self,
        context: Context,
        rows: Rows,
        velocity: Velocity,
        contexts: Contexts,
        accelerator: Accelerator | None = None,
    ) -> None:
        self.context, self.rows, self.contexts = context, rows, contexts
        self.velocity, self.accelerator = velocity, accelerator
        self.levels = midpoint_levels(context.config.validation.heldout_levels)

    @cached_property
    def clips(self) -> dict[str, list[Sample]]:
        """The clips by split; none where nothing is held out."""
        count = self.context.config.validation.heldout_clips
        samples = self.rows.samples.values()
        heldout = chosen_clips((one for one in samples if one.split == "heldout"), count)
        trained = [one for one in samples if one.split == "train" and not one.regularisation]
        return {"heldout": heldout, "train": chosen_clips(trained, len(heldout))}

    @cached_property
    def passes(self) -> list[Pass]:
        """Every forward pass of an evaluation, in order."""
        found: list[Pass] = []
        for split, clips in self.clips.items():
            conditions = optional_conditions(self.context.config.training_strategy)
            for name, coins in conditions.items() if split == "heldout" else [(ALL, None)]:
                found += [Pass(split, name, coins, *rows) for rows in self._together(clips)]
        return found

    def measure(self, step: int) -> list[HeldoutRow]:
        """Every row of an evaluation after `step` finished steps, of the model as it is."""
        sums: dict[Key, list[tuple[str, float]]] = {}
        for one, losses in zip(self.passes, spread(self.accelerator, self.passes, self._losses), strict=True):
            for modality, values in losses.items():
                for clip, index, loss in zip(one.clips, one.at, values, strict=True):
                    if loss is not None:
                        sums.setdefault((one.split, modality, one.condition, index), []).append((clip, loss))
        return [
            HeldoutRow(step, split, modality, condition, self.levels[index], _mean(found), len(found))
            for (split, modality, condition, index), found in sorted(sums.items())
        ]

    def _losses(self, one: Pass) -> dict[str, list[float | None]]:
        return row_losses(
            self.rows.reader()(one.clips),
            partial(self._tracks, coins=one.coins),
            with_model(self.velocity, self.contexts),
            self.levels,
            one.at,
            self.context.config.validation.seed,
            self._counted,
        )

    def _tracks(self, batch: Batch, coins: Coins | None = None) -> Mapping[str, Track]:
        found = assemble(self.context.config.training_strategy, batch, scales(self.context), coins)
        return {name: track.to(self.context.models.device) for name, track in found.items()}

    def _counted(self, batch: Batch) -> dict[str, Tensor]:
        return loss_tokens(self._tracks(batch))

    def _together(self, clips: Sequence[Sample]) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
        """Clips and levels of each pass."""
        each = self.context.config.validation.heldout_levels_per_clip
        groups: dict[str, list[tuple[str, int]]] = {}
        for clip, at in zip(clips, levels_of(len(clips), len(self.levels), each), strict=True):
            groups.setdefault(clip.shape, []).extend((clip.clip_id, index) for index in at)
        tokens = shape_tokens(self.context, clips)
        for shape, cells in groups.items():
            size = max(1, min(PASS_ROWS, PASS_TOKENS // max(1, tokens.get(shape, 1))))
            for start in range(0, len(cells), size):
                ids, at = zip(*cells[start : start + size], strict=True)
                yield ids, at


def _mean(found: Sequence[tuple[str, float]]) -> float:
    """In the order of the clips' ids, exactly rounded."""
    return math.fsum(loss for _, loss in sorted(found)) / len(found)
