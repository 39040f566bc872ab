"""What prefix and suffix share: a span of whole latent frames (audio: latent steps) at one end of a clip.

Spans of files mean the same as in training. A span's neighbours are encoded with it where the file has them,
as they are in a training clip.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from ltx_core.conditions.base import Condition, Grid
from ltx_core.conditions.files import OneSource, Part, Target
from ltx_core.geometry.grid import VideoGrid

if TYPE_CHECKING:
    from torch import Tensor


class SpanFile(OneSource):
    """A span given in frames or in seconds; the whole file by default.

    Attributes:
        num_frames: pixel frames of a video, latent steps of audio.
        duration: seconds.
    """

    num_frames: Annotated[int, Field(ge=1)] | None = None
    duration: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_length(self) -> SpanFile:
        if self.num_frames is not None and self.duration is not None:
            raise ValueError(
                f"a {self.type} condition has num_frames {self.num_frames} and duration {self.duration:g}; "
                "state one of them"
            )
        return self

    def latent(self, frames: int, time: int) -> int:
        """Latent frames that hold `frames` pixel frames, for a temporal factor `time`."""
        raise NotImplementedError

    def pixel(self, frames: int, time: int) -> int:
        """Pixel frames that `frames` latent frames stand for."""
        raise NotImplementedError

    def counted(self, grid: Grid, length: Callable[[Path], int]) -> Span:
        """The span, in latent frames or steps.

        Raises:
            ValueError: when it is longer than its file.
        """
        video = isinstance(grid, VideoGrid)
        there = length(self.source)
        rate = grid.fps if isinstance(grid, VideoGrid) else grid.scale.latents_per_second
        wanted = self.num_frames
        if self.duration is not None:
            wanted = max(1, round(self.duration * rate))
        if wanted is not None and wanted > there:
            raise ValueError(
                f"{wanted} {'frames' if video else 'latent steps'} are wanted, and the file has {there} at "
                f"{rate:g} per second; the largest num_frames is {there}, the largest duration "
                f"{there / rate:g}"
            )
        count = there if wanted is None else wanted
        return self._made(self.latent(count, grid.scale.time) if isinstance(grid, VideoGrid) else count)

    def part(self, target: Target, column: str) -> Part:
        """The span's end of a clip, and the span."""
        audio = self.modality == "audio"
        grid: Grid = target.audio if audio else target.video
        try:
            condition = self.counted(grid, lambda path: self._length(target, path))
        except ValueError as error:
            raise target.refuse(self, str(error)) from None
        count, length = (
            condition.temporal_boundary,
            grid.frames if isinstance(grid, VideoGrid) else grid.steps,
        )
        if count >= length:
            raise target.refuse(
                self,
                f"it holds {count} latent {'steps' if audio else 'frames'} of a sample of {length}, so "
                "nothing is left to generate; state a shorter num_frames or duration, or more frames for the "
                "sample (`video_dims`)",
            )
        content, where = target.empty(self.modality), self._where(count)
        latents = self._heard(target, count) if audio else self._seen(target, count)
        content[:, :, where] = latents[:, :, where]
        return Part(condition, content)

    def _length(self, target: Target, path: Path) -> int:
        if self.modality == "audio":
            return target.sound(path).steps(target.audio.scale)
        return target.frame_count(path)

    def _heard(self, target: Target, steps: int) -> Tensor:
        """Latents of a clip's worth of sound where the file has it, so that the span's edge is no end."""
        sound = target.sound(self.source)
        least = steps / target.audio.scale.latents_per_second
        seconds = max(least, min(target.seconds, sound.seconds))
        return target.encode_sound(sound, seconds, last=self._where(1).start != 0)

    def _made(self, count: int) -> Span:
        raise NotImplementedError

    def _where(self, count: int) -> slice:
        """Where the span lies in a clip's latents."""
        raise NotImplementedError

    def _seen(self, target: Target, count: int) -> Tensor:
        """Latents of the video, `count` of which are the span's."""
        raise NotImplementedError


class Span(Condition):
    """Base of the two: `temporal_boundary` latent frames of a video, or latent steps of audio."""

    temporal_boundary: Annotated[int, Field(ge=1)]

    def _tokens(self, grid: Grid) -> int:
        """Number of tokens that the span covers, at most all of them."""
        each = grid.height * grid.width if isinstance(grid, VideoGrid) else 1
        return min(self.temporal_boundary * each, grid.tokens)

    def _held(self, grid: Grid, where: slice) -> Tensor:
        import torch

        hold = torch.zeros(grid.tokens)
        hold[where] = 1
        return hold
