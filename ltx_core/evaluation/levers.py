"""Levers: what steers the samples of a mode, each condition and each given modality by itself.

A lever is measured in three variants. Right is the batch as it is; `swapped` gives another clip's content;
`without` gives the draws of `assemble` that leave this one condition out and apply all others. A given
modality is withheld by switching the attention between the modalities off (`Apart`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from ltx_core.assemble import Batch, Coins, Scales, assemble
from ltx_core.conditions.base import Condition, Modality
from ltx_core.models.velocity import Velocity
from ltx_core.modes import Strategy, attaching, holding

GIVEN = "given"


@dataclass(frozen=True)
class Lever:
    """One thing that steers a sample.

    Attributes:
        key: `video.first_frame`, `audio.reference`, ...; the modality's name where it is given as a whole.
        kind: the condition's type, or "given".
        modality: the one that it belongs to.
        measured: the generated modality in which its effect is looked for.
        index: the number by which the condition's draws are named; None for a given modality.
        columns: dataset columns of its own content; a holding condition's content is the clip itself.
        attaches: whether its content is attached in front.
    """

    key: str
    kind: str
    modality: Modality
    measured: Modality
    index: int | None = None
    columns: tuple[str, ...] = ()
    attaches: bool = False

    @property
    def holds(self) -> bool:
        """Whether it holds tokens of the clip itself."""
        return self.kind != GIVEN and not self.attaches


def levers(strategy: Strategy) -> list[Lever]:
    """Every condition that is ever applied, and every given modality, in the config's order."""
    generated: list[Modality] = [name for name, stream in strategy.streams.items() if stream.is_generated]
    found: list[Lever] = []
    for modality, stream in strategy.streams.items():
        measured = modality if stream.is_generated else generated[0]
        if not stream.is_generated:
            found.append(Lever(modality, GIVEN, modality, measured))
        for index, condition in [*holding(stream), *attaching(stream)]:
            if condition.probability > 0:
                found.append(_condition_lever(modality, measured, index, condition))
    keys = [lever.key for lever in found]
    return [
        replace(lever, key=f"{lever.key} {keys[: place + 1].count(lever.key)}")
        if keys.count(lever.key) > 1
        else lever
        for place, lever in enumerate(found)
    ]


def _condition_lever(modality: Modality, measured: Modality, index: int, condition: Condition) -> Lever:
    columns = condition.columns if condition.attaches else ()
    key = f"{modality}.{condition.type}"
    return Lever(key, condition.type, modality, measured, index, columns, condition.attaches)


def without(lever: Lever) -> Coins:
    """Draws that leave out one condition and apply all others."""
    return _applying(lambda modality, index: (modality, index) != (lever.modality, lever.index))


def alone(lever: Lever) -> Coins:
    """Draws that apply this condition and no other."""
    return _applying(lambda modality, index: (modality, index) == (lever.modality, lever.index))


def _applying(chosen: Callable[[Modality, int], bool]) -> Coins:
    def coins(modality: Modality, index: int, names: Sequence[str]) -> Tensor:
        # Applied when strictly below the probability: -1 is below each, 1 below none.
        return torch.full((len(names),), -1.0 if chosen(modality, index) else 1.0)

    return coins


@dataclass(frozen=True)
class Apart(Velocity):
    """The same transformer with the attention between the modalities always off."""

    @classmethod
    def of(cls, velocity: Velocity) -> Apart:
        """From any `Velocity`."""
        return cls(**{field.name: getattr(velocity, field.name) for field in fields(Velocity)})

    def __call__(self, *items: object, **options: object) -> dict[Modality, Tensor]:
        """As `Velocity`; the option `cross_attention` has no effect."""
        found: dict[Modality, Tensor] = super().__call__(*items, **{**options, "cross_attention": False})  # type: ignore[arg-type]
        return found


def held(lever: Lever, strategy: Strategy, batch: Batch, scales: Scales) -> Tensor:
    """`[B, targets]`: how strongly a holding lever alone holds the tokens of its modality."""
    track = assemble(strategy, batch, scales, alone(lever))[lever.modality]
    return track.hold[:, -track.targets :]


def swapped(
    batch: Batch,
    lever: Lever,
    partners: Mapping[str, str],
    content: Callable[[str, str], Tensor],
    hold: Tensor | None = None,
) -> Batch:
    """The batch with the lever's content of every clip replaced by its partner's.

    Args:
        batch: held-out clips, each with a partner.
        lever: what is replaced; nothing else changes.
        partners: clip -> the clip whose content it gets (`wrong_partners`).
        content: (clip, column or modality) -> the stored tensor of one clip, without the batch axis.
        hold: `held` of a holding lever: the latents change where it is not 0.

    Raises:
        KeyError: when a clip has no partner.
    """

    def other(name: str) -> Tensor:
        return torch.stack([content(partners[clip], name) for clip in batch.clip_ids])

    if lever.attaches:
        return replace(batch, columns={**batch.columns, **{name: other(name) for name in lever.columns}})
    own = batch.video if lever.modality == "video" else batch.audio
    if own is None:
        raise KeyError(f"the batch has no {lever.modality}")
    found = other(lever.modality)
    if hold is not None:
        found = torch.where(_as_latents(hold, own) > 0, found, own)
    return replace(batch, video=found) if lever.modality == "video" else replace(batch, audio=found)


def _as_latents(hold: Tensor, like: Tensor) -> Tensor:
    """`[B, N]` on the grid of latents `[B, C, F, H, W]` or `[B, c, T, m]`, one value per cell."""
    if like.ndim == 5:
        return hold.reshape(len(hold), 1, *like.shape[2:])
    return hold.reshape(len(hold), 1, like.shape[2], 1)


def wrong_partners(
    clip_ids: Sequence[str],
    group: Mapping[str, object] | None = None,
    distance: Callable[[str, str], float] | None = None,
) -> dict[str, str]:
    """For each clip another clip of its group, whose content is the wrong one for it.

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
