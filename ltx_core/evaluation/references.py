"""The three ways in which a held-out clip meets a reference: its own, another clip's, none.

The right one is the batch as it is; `swapped` gives another clip's; `withholding` gives the draws of
`assemble` that leave the reference out and apply everything else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ltx_core.assemble import Batch, Coins
from ltx_core.conditions.base import Modality
from ltx_core.modes import Strategy, attaching


def reference_columns(strategy: Strategy) -> tuple[str, ...]:
    """Dataset columns that the strategy's attaching conditions read; empty for a mode without a reference."""
    found = [
        column
        for stream in strategy.streams.values()
        for _, condition in attaching(stream)
        for column in condition.columns
    ]
    return tuple(dict.fromkeys(found))


def swapped(
    batch: Batch, columns: Sequence[str], partners: Mapping[str, str], content: Callable[[str, str], Tensor]
) -> Batch:
    """The batch with every clip's reference replaced by its partner's.

    Args:
        batch: held-out clips, each with a partner.
        columns: the reference columns.
        partners: clip -> the clip whose reference it gets (`wrong_partners`).
        content: (clip, column) -> the stored tensor of one clip, without the batch axis.

    Raises:
        KeyError: when a clip has no partner.
    """
    changed = {
        column: torch.stack([content(partners[clip], column) for clip in batch.clip_ids])
        for column in columns
    }
    return replace(batch, columns={**batch.columns, **changed})


def withholding(strategy: Strategy) -> Coins:
    """Draws that leave out every attaching condition and apply every holding one."""
    attached = {
        (modality, index) for modality, stream in strategy.streams.items() for index, _ in attaching(stream)
    }

    def coins(modality: Modality, index: int, names: Sequence[str]) -> Tensor:
        return torch.full((len(names),), float((modality, index) in attached))

    return coins


def wrong_partners(
    clip_ids: Sequence[str],
    group: Mapping[str, object] | None = None,
    distance: Callable[[str, str], float] | None = None,
) -> dict[str, str]:
    """For each clip another clip of its group, whose reference is the wrong one for it.

    Args:
        clip_ids: held-out clips.
        group: clip -> what must be equal for a swap (its bucket); all one group when None.
        distance: the farthest other clip is taken (first id on a tie); by default the next one in a cycle.

    Returns:
        clip -> partner; a clip alone in its group has no entry.
    """
    groups: dict[object, list[str]] = {}
    for clip_id in sorted(set(clip_ids)):
        groups.setdefault(group[clip_id] if group else None, []).append(clip_id)
    partners: dict[str, str] = {}
    for members in groups.values():
        if len(members) < 2:
            continue
        for place, clip_id in enumerate(members):
            others = members[place + 1 :] + members[:place]
            partners[clip_id] = _farthest(clip_id, others, distance) if distance else others[0]
    return partners


def _farthest(clip_id: str, others: Sequence[str], distance: Callable[[str, str], float]) -> str:
    def key(other: str) -> tuple[float, str]:
        value = distance(clip_id, other)
        return (-value if math.isfinite(value) else math.inf, other)

    return min(others, key=key)
