"""masks and mask_latents: masks drawn from a seed, kept as video, and their mean over each latent cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from ltx_core.stages.base import Item, Stage, pending
from ltx_core.stages.clip import Clip
from ltx_core.stages.clips import all_clips
from ltx_core.stages.context import Context
from ltx_core.stages.latents import clip_columns, clip_items
from ltx_core.store.rows import PendingRow

VIDEO = "mask.mp4"
COLUMN = "video_masks"


class Masks(Stage):
    """White keeps, black is generated."""

    name: ClassVar[str] = "masks"

    def needed(self, context: Context) -> bool:
        """A mode that reads the column `video_masks`."""
        return COLUMN in context.config.training_strategy.columns

    def section(self, context: Context) -> dict[str, Any]:
        """Kind, seed and parameters."""
        return asdict(context.config.dataset.masks)

    def items(self, context: Context) -> list[Item]:
        """One per clip."""
        return clip_items(context, self)

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Draw each mask from the digest of clip, kind and seed."""
        from ltx_core.curation.masks import make_mask, mask_frames
        from ltx_core.media.write import encode_video

        options = context.config.dataset.masks
        for item in items:
            clip: Clip = item.payload
            bucket = clip.bucket
            mask = make_mask(clip.clip_id, bucket.frames, bucket.height, bucket.width, options)
            yield pending(
                item,
                files={VIDEO: encode_video(mask_frames(mask), clip.fps, crf=4)},
                columns={"kind": options.kind, "kept": float(mask.mean())},
                content={"kind": options.kind},
            )


class MaskLatents(Stage):
    """Masks on the latent grid."""

    name: ClassVar[str] = "mask_latents"

    def needed(self, context: Context) -> bool:
        """A mode that reads the column `video_masks`."""
        return COLUMN in context.config.training_strategy.columns

    def section(self, context: Context) -> dict[str, Any]:
        """Soft by default; the model's factors decide the cells."""
        scale = context.info.video_scale
        cell = [scale.time, scale.height, scale.width]
        return {"threshold": context.config.dataset.mask_threshold, "cell": cell}

    def items(self, context: Context) -> list[Item]:
        """One per mask video."""
        clips = {clip.clip_id: clip for clip in all_clips(context)}
        return [
            Item(
                self.key(context, [row.content_digest, clips[item.clip_id].pixels]),
                item.clip_id,
                item.name,
                (row.row_key,),
                (clips[item.clip_id], row),
            )
            for item, row in context.results("masks")
            if row.ok
        ]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Mean over each cell by the causal rule."""
        import torch

        from ltx_core.curation.masks import frames_mask, latent_mask
        from ltx_core.media.decode import read_frames

        threshold = context.config.dataset.mask_threshold
        for item in items:
            clip, row = item.payload
            frames = read_frames(context.store.file(row, VIDEO), list(range(clip.bucket.frames)))
            mask = latent_mask(frames_mask(frames), context.info.video_scale, threshold)
            yield pending(
                item, tensors={"mask": torch.as_tensor(mask, dtype=torch.float32)}, columns=clip_columns(clip)
            )
