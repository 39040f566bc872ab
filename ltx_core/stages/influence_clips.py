"""The held-out clips of an evaluation: their stored content, and what it looks and sounds like."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, adaptive_avg_pool3d

from ltx_core.assemble import audio_tokens, video_tokens
from ltx_core.evaluation.effects import Media
from ltx_core.geometry.grid import VideoGrid
from ltx_core.sampling.decode import decode_audio, decode_video
from ltx_core.stages.batches import Rows, scales
from ltx_core.stages.context import Context
from ltx_core.store.dataset import Sample

FRAME_BYTES = 256 << 20
"""Decoded frames of the clips that are compared at a time, in one variant."""
SIDE, STEPS = 4, 16
"""Cells along each axis of a video, and steps of a sound, by which clips are told apart."""


class HeldoutClips:
    """Stored content of clips by column or modality."""

    def __init__(self, context: Context, rows: Rows) -> None:
        self.context, self.rows = context, rows
        self.scales = scales(context)
        self.streams = context.config.training_strategy.streams
        self._true: dict[str, Media] = {}
        self._small: dict[tuple[str, str], Tensor] = {}

    def stored(self, clip_id: str, name: str) -> Tensor | None:
        """The latents of a modality of the mode, or the tensor of a column; None where there is none."""
        own = {str(modality): stream.latents_dir for modality, stream in self.streams.items()}
        return self.rows.fetch(clip_id, own.get(name, name))

    def content(self, clip_id: str, name: str) -> Tensor:
        """As `stored`, float32.

        Raises:
            KeyError: where there is none.
        """
        found = self.stored(clip_id, name)
        if found is None:
            raise KeyError(f"clip {clip_id} has no {name}")
        return found.float()

    def distance(self, clip_id: str, other: str, name: str) -> float:
        """Mean squared difference of two clips' content, on few cells; NaN where their shapes differ."""
        first, second = (self._signature(one, name) for one in (clip_id, other))
        return float((first - second).square().mean()) if first.shape == second.shape else float("nan")

    def true(self, clip_id: str) -> Media:
        """What the stored latents of a clip decode to, in the modalities of the mode."""
        if clip_id not in self._true:
            self._true[clip_id] = self._decoded(clip_id)
        return self._true[clip_id]

    def forget(self) -> None:
        """Let go of what was decoded."""
        self._true.clear()

    def grid(self, latents: Tensor) -> VideoGrid:
        """The grid of video latents `[..., F, H, W]`."""
        frames, height, width = latents.shape[-3:]
        return VideoGrid(frames, height, width, self.scales.video)

    def at_once(self, clips: Sequence[Sample]) -> int:
        """How many of these clips' frames may lie in memory at the same time."""
        largest = 1
        for clip in clips if "video" in self.streams else ():
            grid = self.grid(self.content(clip.clip_id, "video"))
            pixels = grid.height * grid.scale.height * grid.width * grid.scale.width
            largest = max(largest, 3 * grid.pixel_frames * pixels)
        return max(1, min(len(clips), FRAME_BYTES // largest))

    def _signature(self, clip_id: str, name: str) -> Tensor:
        key = (clip_id, name)
        if key not in self._small:
            found = self.content(clip_id, name)
            if found.ndim == 4:
                frames, height, width = (min(SIDE, size) for size in found.shape[1:])
                self._small[key] = adaptive_avg_pool3d(found, (frames, height, width))
            else:
                steps = min(STEPS, found.shape[1])
                self._small[key] = adaptive_avg_pool2d(found, (steps, found.shape[2]))
        return self._small[key]

    def _decoded(self, clip_id: str) -> Media:
        models, frames, wave, rate = self.context.models, None, None, 0
        for modality in self.streams:
            latents = self.stored(clip_id, modality)
            if latents is not None and modality == "video":
                tokens = video_tokens(latents.float()[None])
                frames = decode_video(models.video(), tokens, self.grid(latents))[0]
            elif latents is not None:
                seconds = self.rows.samples[clip_id].duration
                waves, rate = decode_audio(models.audio(), audio_tokens(latents.float()[None]), seconds)
                wave = waves[0]
        return Media(frames, wave, rate)
