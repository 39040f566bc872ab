"""Modes: the role of each modality and its conditions. A mode is a row of `MODES` and a file in `configs/`.

A run states its mode in `training_strategy`; `Strategy.mode` finds the row that it matches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ltx_core.conditions import CONDITIONS, AnyCondition, Condition
from ltx_core.conditions.base import Modality

OWN: Mapping[Modality, str] = {"video": "latents", "audio": "audio_latents"}
"""Column of a modality's own latents."""


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

    latents_dir: str = OWN["video"]


class AudioStream(Stream):
    """The audio modality."""

    latents_dir: str = OWN["audio"]


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
            given = " and ".join(f"`{modality}.is_generated: false`" for modality in streams)
            raise ValueError(
                f"no modality is generated ({given or 'neither `video` nor `audio` is stated'}): a run needs "
                f"something to learn; set `{next(reversed(streams), 'video')}.is_generated: true`"
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
        found = [mode.name for mode in MODES if mode.fits(video, audio, kinds)]
        return found[0] if found else "custom"


@dataclass(frozen=True)
class Mode:
    """A row of the list of modes.

    Attributes:
        name: the mode's; its config is `configs/<name>_lora.yaml`.
        video, audio: roles.
        needs: `modality.condition` that make it this mode.
        may: those that it may have beside them.
        audio_optional: whether it is the same mode without audio.
        summary: what it makes of what.
    """

    name: str
    video: Role
    audio: Role
    needs: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()
    audio_optional: bool = False
    summary: str = ""

    def fits(self, video: Role, audio: Role, kinds: frozenset[str]) -> bool:
        """Whether roles and conditions are this mode's."""
        roles = {self.audio, Role.ABSENT} if self.audio_optional else {self.audio}
        return video == self.video and audio in roles and self.needs <= kinds <= self.needs | self.may


def _mode(
    name: str, video: Role, audio: Role, needs: str = "", may: str = "", *, alone: bool = False, summary: str
) -> Mode:
    return Mode(name, video, audio, frozenset(needs.split()), frozenset(may.split()), alone, summary)


_MADE, _GIVEN, _NONE = Role.GENERATE, Role.GIVEN, Role.ABSENT
_FIRST = "video.first_frame"

MODES: tuple[Mode, ...] = (
    _mode("t2v", _MADE, _MADE, alone=True, summary="video and sound from text"),
    _mode("i2v", _MADE, _MADE, _FIRST, alone=True, summary="video and sound from a first frame"),
    _mode(
        "video_extend",
        _MADE,
        _MADE,
        "video.prefix",
        "audio.prefix",
        alone=True,
        summary="what follows a video",
    ),
    _mode(
        "video_suffix",
        _MADE,
        _MADE,
        "video.suffix",
        f"audio.suffix {_FIRST}",
        alone=True,
        summary="what leads to a video",
    ),
    _mode("v2v_ic", _MADE, _NONE, "video.reference", _FIRST, summary="video from a reference video"),
    _mode("a2v", _MADE, _GIVEN, "", _FIRST, summary="video for a given sound"),
    _mode("v2a", _GIVEN, _MADE, summary="sound for a given video (Foley)"),
    _mode(
        "video_inpainting",
        _MADE,
        _MADE,
        "video.mask",
        f"audio.mask {_FIRST}",
        alone=True,
        summary="the masked part of a video",
    ),
    _mode(
        "video_outpainting",
        _MADE,
        _MADE,
        "video.spatial_crop",
        _FIRST,
        alone=True,
        summary="what surrounds a video",
    ),
    _mode("t2a", _NONE, _MADE, summary="sound from text"),
    _mode("audio_extend", _NONE, _MADE, "audio.prefix", summary="what follows a sound"),
    _mode("audio_suffix", _NONE, _MADE, "audio.suffix", summary="what leads to a sound"),
    _mode("audio_inpainting", _NONE, _MADE, "audio.mask", summary="the masked part of a sound"),
    _mode("a2a_ic", _NONE, _MADE, "audio.reference", summary="sound from a reference sound"),
    _mode(
        "av2av_ic",
        _MADE,
        _MADE,
        "video.reference audio.reference",
        _FIRST,
        summary="video and sound from a reference of each",
    ),
)
"""The modes of the quick reference. What fits none of them is "custom", and trains all the same."""


def _check_conditions(modality: Modality, stream: Stream) -> None:
    for number, condition in enumerate(stream.conditions):
        place = f"`{modality}.conditions.{number}`"
        if modality not in condition.modalities:
            fitting = ", ".join(
                c.model_fields["type"].default for c in CONDITIONS if modality in c.modalities
            )
            raise ValueError(
                f"{place}: condition {condition.type!r} makes no sense on {modality}: it works on "
                f"{' and '.join(condition.modalities)}; remove it, or use one that does: {fitting}"
            )
        if not stream.is_generated and not condition.attaches:
            raise ValueError(
                f"{place}: condition {condition.type!r} holds tokens of {modality}, which is given whole "
                f"(`{modality}.is_generated: false`); remove the condition, or set "
                f"`{modality}.is_generated: true`"
            )


def _check_columns(strategy: Strategy) -> None:
    seen: dict[str, str] = {}
    for modality, stream in strategy.streams.items():
        owners = [(stream.latents_dir, f"`{modality}.latents_dir`", OWN[modality])]
        owners += [
            (name, f"`{modality}.conditions.{number}` ({condition.type})", _own_column(modality, condition))
            for number, condition in enumerate(stream.conditions)
            for name in condition.columns
        ]
        for name, owner, usual in owners:
            if name in seen:
                advice = f"use {usual!r} for the second" if usual not in seen else "name another column"
                raise ValueError(
                    f"{seen[name]} and {owner} both read the column {name!r}; two sources may not share one: "
                    f"{advice}"
                )
            seen[name] = owner


def _own_column(modality: Modality, condition: Condition) -> str:
    """The usual column of a condition."""
    if not condition.attaches:
        return f"{modality}_masks"
    return "reference_latents" if modality == "video" else "reference_audio_latents"


def holding(stream: Stream) -> list[tuple[int, Condition]]:
    """Conditions that hold tokens, with the number by which their draws are named."""
    return [(number, condition) for number, condition in _numbered(stream) if not condition.attaches]


def attaching(stream: Stream) -> list[tuple[int, Condition]]:
    """Conditions that attach tokens, with the number by which their draws are named."""
    return [(number, condition) for number, condition in _numbered(stream) if condition.attaches]


def _numbered(stream: Stream) -> list[tuple[int, Condition]]:
    """Conditions in the config's order. Numbers do not depend on it, so that reordering changes no draw."""
    names = [condition.model_dump_json() for condition in stream.conditions]
    order = sorted(range(len(names)), key=names.__getitem__)
    return [(order.index(place), condition) for place, condition in enumerate(stream.conditions)]
