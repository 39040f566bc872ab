"""Modes: the role of each modality and its conditions. A mode is a row of `MODES` and a file in `configs/`.

A run states its mode in `training_strategy`; `Strategy.mode` finds the row that it matches.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ltx_core.conditions import AnyCondition, Condition
from ltx_core.conditions.base import Modality


class Role(StrEnum):
    """What a modality is to a run."""

    GENERATE = "generate"
    GIVEN = "given"
    ABSENT = "absent"


class Stream(BaseModel):
    """One modality of the strategy: `training_strategy.video` or `.audio`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    is_generated: bool = True
    latents_dir: str
    conditions: tuple[AnyCondition, ...] = ()

    @property
    def role(self) -> Role:
        """Generated, or given: clean at level 0, no loss."""
        return Role.GENERATE if self.is_generated else Role.GIVEN


class VideoStream(Stream):
    """The video modality."""

    latents_dir: str = "latents"


class AudioStream(Stream):
    """The audio modality."""

    latents_dir: str = "audio_latents"


class Strategy(BaseModel):
    """`training_strategy`: every mode by configuration alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["flexible"] = "flexible"
    video: Annotated[VideoStream | None, Field()] = None
    audio: Annotated[AudioStream | None, Field()] = None

    @model_validator(mode="after")
    def _consistent(self) -> Strategy:
        streams = self.streams
        if not any(stream.is_generated for stream in streams.values()):
            raise ValueError(
                "no modality is generated; give `video` or `audio` with `is_generated: true`: "
                "a run needs something to learn"
            )
        for modality, stream in streams.items():
            _check_conditions(modality, stream)
        _check_columns(self)
        return self

    @property
    def streams(self) -> dict[Modality, Stream]:
        """The modalities that are present, video first."""
        present: dict[Modality, Stream] = {}
        if self.video is not None:
            present["video"] = self.video
        if self.audio is not None:
            present["audio"] = self.audio
        return present

    @property
    def columns(self) -> tuple[str, ...]:
        """Every dataset column that training reads, in a fixed order."""
        names: list[str] = []
        for stream in self.streams.values():
            names.append(stream.latents_dir)
            names += [name for condition in stream.conditions for name in condition.columns]
        return tuple(dict.fromkeys(names))

    @property
    def mode(self) -> str:
        """Name of the mode that these roles and conditions are, or "custom"."""
        roles = {modality: stream.role for modality, stream in self.streams.items()}
        video, audio = roles.get("video", Role.ABSENT), roles.get("audio", Role.ABSENT)
        kinds = frozenset(
            f"{modality}.{condition.type}"
            for modality, stream in self.streams.items()
            for condition in stream.conditions
        )
        for mode in MODES:
            if (mode.video, mode.audio) == (video, audio) and mode.needs <= kinds <= mode.needs | mode.may:
                return mode.name
        return "custom"


@dataclass(frozen=True)
class Mode:
    """A row of the list of modes: roles, the conditions it needs and those it may have beside them."""

    name: str
    video: Role
    audio: Role
    needs: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()
    summary: str = ""


MODES: tuple[Mode, ...] = (
    Mode("t2v", Role.GENERATE, Role.GENERATE, summary="video and sound from text"),
    Mode(
        "v2v_ic",
        Role.GENERATE,
        Role.ABSENT,
        frozenset({"video.reference"}),
        frozenset({"video.first_frame"}),
        summary="video from a reference video",
    ),
)


def _check_conditions(modality: Modality, stream: Stream) -> None:
    for condition in stream.conditions:
        if modality not in condition.modalities:
            raise ValueError(
                f"condition {condition.type!r} makes no sense on {modality}: it works on "
                f"{' and '.join(condition.modalities)}; remove it from `{modality}.conditions`"
            )
        if not stream.is_generated and not condition.attaches:
            raise ValueError(
                f"condition {condition.type!r} holds tokens of {modality}, which is given whole "
                f"(`is_generated: false`); remove the condition or generate {modality}"
            )


def _check_columns(strategy: Strategy) -> None:
    seen: dict[str, str] = {}
    for modality, stream in strategy.streams.items():
        owners = [(stream.latents_dir, f"{modality}.latents_dir")]
        owners += [(name, f"{modality}.{c.type}") for c in stream.conditions for name in c.columns]
        for name, owner in owners:
            if name in seen:
                raise ValueError(
                    f"{owner} and {seen[name]} both read the column {name!r}; two sources may not share one"
                )
            seen[name] = owner


def holding(stream: Stream) -> list[tuple[int, Condition]]:
    """Conditions that hold tokens, with their index in the list."""
    return [(i, condition) for i, condition in enumerate(stream.conditions) if not condition.attaches]


def attaching(stream: Stream) -> list[tuple[int, Condition]]:
    """Conditions that attach tokens, with their index in the list."""
    return [(i, condition) for i, condition in enumerate(stream.conditions) if condition.attaches]
