"""masks and mask_latents: made, drawn or given, kept as video, and their mean over each latent cell.

Which mask: of the kind that the config states; where it states none, the `video_mask` of the dataset file if
it has that column, else boxes. A given mask keeps its soft values: its latents are made of the file itself.
All are refined alike: turned round, grown, softened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.config.kind_uses import Use
from ltx_core.curation.kinds import FILE
from ltx_core.curation.masking.kinds import DRAWN, MASKS
from ltx_core.curation.masking.refine import changed
from ltx_core.curation.options.masks import DEFAULT
from ltx_core.stages.base import Item, Stage, pending, rejected, unusable
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.given import given_file, given_key, is_given, start_in
from ltx_core.stages.kind_work import kind_marks, kind_work, own_values
from ltx_core.stages.latents import clip_columns
from ltx_core.stages.scores import kept_clips
from ltx_core.store.keys import digest
from ltx_core.store.rows import PendingRow, Row

if TYPE_CHECKING:
    from ltx_core.curation.masking.target import Mask

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

    def of_frames(self, context: Context) -> bool:
        """Where they are made of what is seen."""
        return MASKS.of_frames(mask_use(context).kind.name)

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
        """Make each mask, or cut the given file like the clip; then refine it."""
        from ltx_core.curation.masking.latent import mask_frames
        from ltx_core.media.errors import MediaError
        from ltx_core.media.write import encode_video

        kind = mask_use(context).kind.name
        refined = changed(context.config.dataset.masks)
        for item in items:
            clip: Clip = item.payload
            try:
                mask = _read_given(context, clip) if kind == FILE else _made(context, clip)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            given = {"given": given_key(clip, GIVEN)} if kind == FILE else {}
            soft = kind == FILE or bool(((mask > 0) & (mask < 1)).any())
            # A drawn mask was of 0 and 1 before anything could soften it: rows of older stores stay.
            marks = {"refined": refined, "soft": soft} if refined or kind not in (*DRAWN, FILE) else {}
            yield pending(
                item,
                files={VIDEO: encode_video(mask_frames(mask), clip.fps, crf=4)},
                columns={"kind": kind, "kept": float(mask.mean()), "soft": soft},
                content={"kind": kind, **given, **marks},
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

        from ltx_core.curation.masking.latent import latent_mask
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
            if reason := _useless(row.columns["kind"], float(cells.min()), float(cells.max())):
                yield rejected(item, reason)
                continue
            columns = {**clip_columns(clip), "kept": float(cells.mean())}
            yield pending(
                item, tensors={"mask": torch.as_tensor(cells, dtype=torch.float32)}, columns=columns
            )


def mask_use(context: Context) -> Use:
    """The kind of the masks, with its options."""
    options = context.config.dataset.masks
    stated = options.kind or (FILE if is_given(context, GIVEN) else DEFAULT)
    return Use("dataset.masks", MASKS[stated], options)


def _read_given(context: Context, clip: Clip) -> Mask:
    """The clip's stretch of the mask that the dataset file gives, refined: `[F, H, W]`.

    Raises:
        MediaError: when there is none, or it ends before the clip.
    """
    from ltx_core.curation.masking.files import read_mask
    from ltx_core.curation.masking.refine import refine

    bucket = clip.bucket
    with given_file(clip, GIVEN) as path:
        size = (bucket.width, bucket.height, bucket.frames)
        mask = read_mask(path, *size, clip.fps, start_in(clip, path), clip.crop)
    return refine(mask, context.config.dataset.masks)


def _recipe(context: Context, clip: Clip) -> list[str]:
    """Everything beside the clip's range and size that its mask depends on."""
    fixed = context.memo("mask recipe", lambda: _fixed(context))
    given = given_key(clip, GIVEN) if fixed[0] == FILE else []
    return [*fixed[:1], *given, *fixed[1:]]


def _fixed(context: Context) -> list[str]:
    """What all masks depend on, the kind first."""
    use, dataset = mask_use(context), context.config.dataset
    refined = [f"refined {digest(changed(dataset.masks))}"] if changed(dataset.masks) else []
    if use.kind.name == FILE:
        return [FILE, *refined]
    cells = {"cell": asdict(context.info.video_scale), "threshold": dataset.mask_threshold}
    made = digest({**own_values(use), "kind": use.kind.name, **cells})
    return [use.kind.name, made, *kind_marks(context, use), *refined]


def _made(context: Context, clip: Clip) -> Mask:
    """A mask that is drawn, or made of the clip's frames.

    Raises:
        MediaError: when there is nothing to make it of.
    """
    from ltx_core.curation.masking.make import make_mask
    from ltx_core.curation.masking.target import Target

    dataset, bucket, use = context.config.dataset, clip.bucket, mask_use(context)
    target = Target(
        bucket.frames,
        bucket.height,
        bucket.width,
        context.info.video_scale,
        lambda: context.models.frames(clip),
    )
    work = kind_work(context, use, clip.clip_id)
    return make_mask(use.kind.name, target, dataset.masks, work, dataset.mask_threshold)


def _stored(context: Context, clip: Clip, row: Row) -> Mask:
    from ltx_core.curation.masking.latent import frames_mask
    from ltx_core.media.decode import read_frames

    if row.columns["kind"] == FILE:
        return _read_given(context, clip)
    frames = read_frames(context.store.file(row, VIDEO), list(range(clip.bucket.frames)))
    return frames_mask(frames, binary=not row.columns.get("soft"))


def _useless(kind: str, least: float, most: float) -> str:
    """Why a mask with cells from `least` to `most` cannot be learned from, or ""."""
    what = {FILE: GIVEN, "boxes": "the drawn mask", "strokes": "the drawn mask"}.get(
        kind, f"the mask ({kind})"
    )
    if most == 0:
        return (
            f"{what} keeps nothing of the clip: it would be generated without a condition; keep a part of it"
        )
    if least == 0:
        return ""
    if least == 1:
        return f"{what} keeps the whole clip: nothing is left to generate"
    fix = {FILE: "give a mask that is black over a whole cell", "boxes": "", "strokes": ""}.get(
        kind, "set dataset.masks.grow to half a cell or more"
    )
    return (
        f"{what} keeps a part of every cell ({least:.2f} or more): nothing is generated wholly, so nothing "
        f"would be learned; {fix or 'raise dataset.masks.coverage'}, or set dataset.mask_threshold"
    )
