"""references and reference_latents: the reference videos of each clip, kept as video, and their latents.

Which video: of the kind that the config states; where it states none, the `reference_video` of the dataset
file if it has that column, else Canny edges. `dataset.extra_references` fills further columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.config.kind_uses import Use
from ltx_core.curation.buckets import Bucket
from ltx_core.curation.kinds import FILE
from ltx_core.curation.options.references import DEFAULT, ReferenceOptions
from ltx_core.curation.referencing.kinds import REFERENCES
from ltx_core.curation.referencing.scale import reference_bucket
from ltx_core.stages.base import Item, Stage, pending, precisions, rejected, unusable
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.given import given_file, given_key, is_given, start_in
from ltx_core.stages.kind_work import kind_marks, kind_work, own_values
from ltx_core.stages.latents import cut_marks
from ltx_core.stages.scores import kept_clips
from ltx_core.stages.tokens import all_references, reference_tokens
from ltx_core.store.keys import digest
from ltx_core.store.rows import PendingRow

if TYPE_CHECKING:
    from ltx_core.curation.referencing.canny import Frames

VIDEO = "reference.mp4"
COLUMN = "reference_latents"
SCALE = ("reference_downscale_factor", "reference_temporal_scale_factor")


class References(Stage):
    """Reference videos: computed once, looked at by people."""

    name: ClassVar[str] = "references"

    def needed(self, context: Context) -> bool:
        """A mode that reads reference latents."""
        return reads_references(context)

    def of_frames(self, context: Context) -> bool:
        """Unless a column has another model's pictures, or given ones."""
        kinds = [reference_kind(context, options) for options in wanted_references(context).values()]
        return all(REFERENCES.of_frames(kind) for kind in kinds)

    def items(self, context: Context) -> list[Item]:
        """One per clip and column, keyed by the clip's frames, its kind and what changes that."""
        return [
            Item(
                self.key(context, [clip.pixels, *_recipe(context, column, clip), *_named(column)]),
                clip.clip_id,
                clip.name if column == COLUMN else f"{clip.name} ({column})",
                (clip.row_key,),
                (clip, options),
                column,
            )
            for column, options in wanted_references(context).items()
            for clip in kept_clips(context)
        ]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Make each of the frames that the target shows, or cut the given file alike."""
        from ltx_core.media.errors import MediaError
        from ltx_core.media.write import encode_video

        for item in items:
            clip, options = item.payload
            kind = reference_kind(context, options)
            try:
                frames = _given(clip, options) if kind == FILE else _made(context, clip, item.column, options)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            edges = float((frames.reshape(len(frames), -1).max(1) > 127).mean()) if kind == "canny" else None
            yield pending(
                item,
                files={VIDEO: encode_video(frames, reference_fps(options, clip), crf=4)},
                columns={
                    "kind": kind,
                    "bucket": str(reference_bucket(clip.bucket, options)),
                    "frames_with_edges": edges,
                },
                content={"kind": kind},
            )


class ReferenceLatents(Stage):
    """Latents of the reference videos."""

    name: ClassVar[str] = COLUMN

    def needed(self, context: Context) -> bool:
        """A mode that reads them."""
        return reads_references(context)

    def section(self, context: Context) -> dict[str, Any]:
        """Precision of the model and of storage."""
        return precisions(context)

    def fingerprint(self, context: Context) -> str:
        """The video autoencoder."""
        return context.info.fingerprint("vae")

    def items(self, context: Context) -> list[Item]:
        """One per reference video, keyed by its bytes, the bucket and its scale."""
        found = []
        for item, row in context.results("references"):
            if row.ok:
                clip, options = item.payload
                marks = cut_marks(context, reference_bucket(clip.bucket, options))
                inputs = [row.content_digest, clip.pixels, *_scale(options), *_named(item.column), *marks]
                key = self.key(context, inputs)
                payload = (clip, options, row)
                found.append(Item(key, clip.clip_id, item.name, (row.row_key,), payload, item.column))
        return found

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Encode the stored video, every frame of it."""
        from ltx_core.encoding.video import encode_video
        from ltx_core.media.decode import read_frames

        codec, dtype = context.models.video(), context.config.dataset.latents_dtype
        for item in items:
            clip, options, row = item.payload
            bucket, fps = reference_bucket(clip.bucket, options), reference_fps(options, clip)
            frames = read_frames(context.store.file(row, VIDEO), list(range(bucket.frames)))
            columns = {
                "bucket": str(bucket),
                "width": bucket.width,
                "height": bucket.height,
                "frames": bucket.frames,
                "fps": fps,
                "duration": bucket.seconds(fps),
            }
            latents = encode_video(codec, frames, dtype)
            yield pending(item, tensors={"latents": latents}, columns=columns)


def reads_references(context: Context) -> bool:
    """Whether the mode reads any."""
    return any(column in all_references(context) for column in context.config.training_strategy.columns)


def wanted_references(context: Context) -> dict[str, ReferenceOptions]:
    """Options of every reference that the mode reads, by its column in the dataset; of the first where it
    reads none and someone asks for this stage all the same."""
    read, every = context.config.training_strategy.columns, all_references(context)
    found = {column: options for column, options in every.items() if column in read}
    return found or {COLUMN: every[COLUMN]}


def reference_kind(context: Context, options: ReferenceOptions) -> str:
    """What references are: as stated, else the given files if the dataset file has their column; "" for
    imported ones, of which nobody says."""
    if context.config.imported:
        return options.kind or ""
    stated = options.kind or (FILE if is_given(context, options.column) else DEFAULT)
    return REFERENCES[stated].name


def reference_use(context: Context, column: str, options: ReferenceOptions) -> Use:
    """The kind of the references in a column of the dataset, with its options."""
    place = "references" if column == COLUMN else f"extra_references.{column}"
    return Use(f"dataset.{place}", REFERENCES[reference_kind(context, options)], options)


def mean_tokens(context: Context, buckets: Sequence[Bucket]) -> float:
    """Tokens of one reference video of clips in `buckets`, on average over all that are wanted."""
    return fmean(reference_tokens(context, b, name) for b in buckets for name in wanted_references(context))


def reference_fps(options: ReferenceOptions, clip: Clip) -> float:
    """Frame rate of a clip's reference."""
    return clip.fps / options.reference_temporal_scale_factor


def _recipe(context: Context, column: str, clip: Clip) -> list[str]:
    """Everything beside the clip's frames that a reference depends on."""
    fixed, options = context.memo(("reference recipe", column), lambda: _fixed(context, column))
    given = given_key(clip, options.column) if fixed[0] == FILE else []
    return [*fixed[:2], *given, *fixed[2:]]


def _fixed(context: Context, column: str) -> tuple[list[str], ReferenceOptions]:
    """What all references of a column depend on: the kind and its own options first."""
    options = wanted_references(context)[column]
    use = reference_use(context, column, options)
    kind = use.kind
    # The file itself is in the key; the column that names it is not.
    values = {} if kind.name == FILE else own_values(use)
    return [kind.keyed or kind.name, digest(values), *kind_marks(context, use), *_scale(options)], options


def _scale(options: ReferenceOptions) -> list[str]:
    """The factors of a scaled reference."""
    factors = [getattr(options, name) for name in SCALE]
    return [] if factors == [1, 1] else [f"scale {factors}"]


def _named(column: str) -> list[str]:
    """Tells a further column from the first: equal references in two of them are two rows."""
    return [] if column == COLUMN else [column]


def _made(context: Context, clip: Clip, column: str, options: ReferenceOptions) -> Frames:
    """A reference made of the clip's frames at their size, then made smaller."""
    from ltx_core.media.fit import fit

    use = reference_use(context, column, options)
    assert use.kind.make is not None  # a given file is cut instead
    shown = context.models.frames(clip)[:: options.reference_temporal_scale_factor]
    made = use.kind.make(shown, options, kind_work(context, use, clip.clip_id))
    bucket = reference_bucket(clip.bucket, options)
    return fit(made, bucket.width, bucket.height)


def _given(clip: Clip, options: ReferenceOptions) -> Frames:
    """The clip's stretch of the file that the dataset file gives.

    Raises:
        MediaError: when there is none, or it ends before the clip.
    """
    from ltx_core.media.beside import Stretch, read_stretch
    from ltx_core.media.fit import fit

    bucket, fps = reference_bucket(clip.bucket, options), reference_fps(options, clip)
    with given_file(clip, options.column) as path:
        stretch = Stretch(bucket.frames, fps, start_in(clip, path))
        frames = read_stretch(path, stretch, bucket.width, bucket.height, clip.crop)
        return fit(frames, bucket.width, bucket.height)
