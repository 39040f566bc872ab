"""masks and mask_latents: drawn from a seed or given, kept as video, and their mean over each latent cell.

Which mask: of the kind that the config states; where it states none, the `video_mask` of the dataset file if
it has that column, else boxes. A given mask keeps its soft values: its latents are made of the file itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.stages.base import Item, Stage, pending, rejected, unusable
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.given import given_file, given_key, is_given, start_in
from ltx_core.stages.latents import clip_columns
from ltx_core.stages.scores import kept_clips
from ltx_core.store.keys import digest
from ltx_core.store.rows import PendingRow, Row

if TYPE_CHECKING:
    from ltx_core.curation.masks import Mask

VIDEO = "mask.mp4"
COLUMN = "video_masks"
GIVEN = "video_mask"
"""Column of the dataset file."""


class Masks(Stage):
    """White keeps, black is generated."""

    name: ClassVar[str] = "masks"

    def needed(self, context: Context) -> bool:
        """A mode that reads the column `video_masks`."""
        return COLUMN in context.config.training_strategy.columns

    def items(self, context: Context) -> list[Item]:
        """One per clip, keyed by its frames' size and what its mask is made of."""
        return [
            Item(
                self.key(context, [clip.pixels, *_recipe(context, clip)]),
                clip.clip_id,
                clip.name,
                (clip.row_key,),
                clip,
            )
            for clip in kept_clips(context)
        ]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Draw each mask from the digest of clip, kind and seed, or cut the given file like the clip."""
        from ltx_core.curation.masks import mask_frames
        from ltx_core.media.errors import MediaError
        from ltx_core.media.write import encode_video

        kind = _kind(context)
        for item in items:
            clip: Clip = item.payload
            try:
                mask = read_given(clip) if kind == "file" else _drawn(context, clip)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            given = {"given": given_key(clip, GIVEN)} if kind == "file" else {}
            yield pending(
                item,
                files={VIDEO: encode_video(mask_frames(mask), clip.fps, crf=4)},
                columns={"kind": kind, "kept": float(mask.mean())},
                content={"kind": kind, **given},
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
        return [
            Item(
                self.key(context, [row.content_digest, item.payload.pixels]),
                item.clip_id,
                item.name,
                (row.row_key,),
                (item.payload, row),
            )
            for item, row in context.results("masks")
            if row.ok
        ]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Mean over each cell by the causal rule."""
        import torch

        from ltx_core.curation.masks import latent_mask
        from ltx_core.media.errors import MediaError

        threshold = context.config.dataset.mask_threshold
        for item in items:
            clip, row = item.payload
            try:
                mask = _stored(context, clip, row)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            cells = latent_mask(mask, context.info.video_scale, threshold)
            if cells.min() > 0:
                yield rejected(item, _keeps_all(row.columns["kind"], float(cells.min())))
                continue
            columns = {**clip_columns(clip), "kept": float(cells.mean())}
            yield pending(
                item, tensors={"mask": torch.as_tensor(cells, dtype=torch.float32)}, columns=columns
            )


def read_given(clip: Clip) -> Mask:
    """The clip's stretch of the mask that the dataset file gives: `[F, H, W]`.

    Raises:
        MediaError: when there is none, or it ends before the clip.
    """
    from ltx_core.curation.mask_files import read_mask

    bucket = clip.bucket
    with given_file(clip, GIVEN) as path:
        size = (bucket.width, bucket.height, bucket.frames)
        return read_mask(path, *size, clip.fps, start_in(clip, path))


def _kind(context: Context) -> str:
    stated = context.config.dataset.masks.kind
    return stated or ("file" if is_given(context, GIVEN) else "boxes")


def _recipe(context: Context, clip: Clip) -> list[str]:
    """Everything beside the clip's range and size that its mask depends on."""
    kind = _kind(context)
    if kind == "file":
        return [kind, *given_key(clip, GIVEN)]
    dataset = context.config.dataset
    cells = {"cell": asdict(context.info.video_scale), "threshold": dataset.mask_threshold}
    return [kind, digest({**asdict(dataset.masks), "kind": kind, **cells})]


def _drawn(context: Context, clip: Clip) -> Mask:
    from ltx_core.curation.masks import draw_mask

    dataset, bucket = context.config.dataset, clip.bucket
    size = (bucket.frames, bucket.height, bucket.width)
    return draw_mask(clip.clip_id, size, dataset.masks, context.info.video_scale, dataset.mask_threshold)


def _stored(context: Context, clip: Clip, row: Row) -> Mask:
    from ltx_core.curation.masks import frames_mask
    from ltx_core.media.decode import read_frames

    if row.columns["kind"] == "file":
        return read_given(clip)
    return frames_mask(read_frames(context.store.file(row, VIDEO), list(range(clip.bucket.frames))))


def _keeps_all(kind: str, least: float) -> str:
    if least == 1:
        return f"{GIVEN} keeps the whole clip: nothing is left to generate"
    what, fix = "the drawn mask", "raise dataset.masks.coverage"
    if kind == "file":
        what, fix = GIVEN, "give a mask that is black over a whole cell"
    return (
        f"{what} keeps a part of every cell ({least:.2f} or more): nothing is generated wholly, so nothing "
        f"would be learned; {fix}, or set dataset.mask_threshold"
    )
