"""The transformer as a function of tracks: what a training step and a sampling step both call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from ltx_core.diffusion.track import Track
from ltx_core.models.forward import transformer_forward
from ltx_core.models.sharding import through
from ltx_core.models.stream import Stream

Modality = Literal["video", "audio"]


class Forward(Protocol):
    """A transformer's pass over the streams that are there, see `forward.transformer_forward`."""

    def __call__(
        self,
        model: Any,
        video: Stream | None,
        audio: Stream | None,
        *,
        cross_attention: bool = True,
        stg_blocks: Collection[int] = (),
        checkpointing: int = 0,
    ) -> tuple[Tensor | None, Tensor | None]:
        """Velocities `[B, N, C]` of the streams."""
        ...


def _awake() -> None:
    """A model that never leaves its device."""


@dataclass(frozen=True)
class Velocity:
    """Predicted velocities of all tracks.

    Attributes:
        model: the transformer.
        checkpointing: recompute the activations of every block (1) or every n-th in the backward pass; 0:
            of none.
        autocast: type that float32 weights which learn compute in; None: that of the weights.
        base: gives a block in which the model is the base one.
        forward: the pass of the model's family.
        wake: called before each pass: the model may have given its device to another one.
    """

    model: Any
    checkpointing: int = 0
    autocast: torch.dtype | None = None
    base: Callable[[], AbstractContextManager[None]] = nullcontext
    forward: Forward = transformer_forward
    wake: Callable[[], None] = _awake

    def __call__(
        self,
        tracks: Mapping[Modality, Track],
        inputs: Mapping[Modality, Tensor],
        timesteps: Mapping[Modality, Tensor],
        levels: Mapping[Modality, Tensor],
        contexts: Mapping[Modality, Tensor],
        *,
        cross_attention: bool = True,
        stg_blocks: Collection[int] = (),
    ) -> dict[Modality, Tensor]:
        """Velocities `[B, N, C]` by modality; a modality without a track costs nothing.

        Args:
            tracks: the modalities that are there.
            inputs: `[B, N, C]` each, as `flow_match.corrupt` made them.
            timesteps: `[B, N]` each, likewise.
            levels: `[B]` each.
            contexts: `[B, S, D]` each; more modalities than tracks do no harm.
            cross_attention: False switches both audio-video attentions off.
            stg_blocks: blocks whose self attention is replaced by its values.
        """
        self.wake()
        streams = {
            name: Stream.of(track, inputs[name], timesteps[name], levels[name], contexts[name])
            for name, track in tracks.items()
        }
        device = next(iter(inputs.values())).device.type
        with torch.autocast(device, self.autocast) if self.autocast is not None else nullcontext():
            video, audio = through(self.model, self.forward)(
                self.model,
                streams.get("video"),
                streams.get("audio"),
                cross_attention=cross_attention,
                stg_blocks=stg_blocks,
                checkpointing=self.checkpointing,
            )
        found: dict[Modality, Tensor] = {}
        if video is not None:
            found["video"] = video
        if audio is not None:
            found["audio"] = audio
        return found
