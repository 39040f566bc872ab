"""references and reference_latents: a control video of each clip, kept as video, and its latents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from ltx_core.stages.base import Item, Stage, pending, precisions, rejected, unusable
from ltx_core.stages.clip import Clip
from ltx_core.stages.clips import all_clips
from ltx_core.stages.context import Context
from ltx_core.stages.latents import clip_columns, clip_items
from ltx_core.store.rows import PendingRow

VIDEO = "reference.mp4"
COLUMN = "reference_latents"


class References(Stage):
    """Reference videos: computed once, looked at by people."""

    name: ClassVar[str] = "references"

    def needed(self, context: Context) -> bool:
        """A mode that reads the column `reference_latents`."""
        return COLUMN in context.config.training_strategy.columns

    def section(self, context: Context) -> dict[str, Any]:
        """Kind and parameters."""
        return asdict(context.config.dataset.references)

    def items(self, context: Context) -> list[Item]:
        """One per clip."""
        return clip_items(context, self)

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Canny edges of the frames that the target shows."""
        from ltx_core.curation.references import canny
        from ltx_core.media.errors import MediaError
        from ltx_core.media.write import encode_video

        options = context.config.dataset.references
        for item in items:
            clip: Clip = item.payload
            try:
                frames = context.models.frames(clip)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            edges = canny(frames, options.low, options.high)
            share = float((edges.reshape(len(edges), -1).max(1) > 127).mean())
            yield pending(
                item,
                files={VIDEO: encode_video(edges, clip.fps, crf=4)},
                columns={"kind": options.kind, "frames_with_edges": share},
                content={"kind": options.kind},
            )


class ReferenceLatents(Stage):
    """Latents of the reference videos."""

    name: ClassVar[str] = COLUMN

    def needed(self, context: Context) -> bool:
        """A mode that reads this column."""
        return COLUMN in context.config.training_strategy.columns

    def section(self, context: Context) -> dict[str, Any]:
        """Precision of the model and of storage."""
        return precisions(context)

    def fingerprint(self, context: Context) -> str:
        """The video autoencoder."""
        return context.info.fingerprint("vae")

    def items(self, context: Context) -> list[Item]:
        """One per reference video, keyed by its bytes and the bucket."""
        clips = {clip.clip_id: clip for clip in all_clips(context)}
        found = []
        for item, row in context.results("references"):
            if row.ok:
                clip = clips[item.clip_id]
                key = self.key(context, [row.content_digest, clip.pixels])
                found.append(Item(key, clip.clip_id, clip.name, (row.row_key,), (clip, row)))
        return found

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Encode the stored video, every frame of it."""
        from ltx_core.encoding.video import encode_video
        from ltx_core.media.decode import read_frames

        codec, dtype = context.models.video(), context.config.dataset.latents_dtype
        for item in items:
            clip, row = item.payload
            frames = read_frames(context.store.file(row, VIDEO), list(range(clip.bucket.frames)))
            latents = encode_video(codec, frames, dtype)
            yield pending(item, tensors={"latents": latents}, columns=clip_columns(clip))
