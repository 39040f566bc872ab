"""audio_masks: which stretches of each clip's sound are generated, to look at and in latent steps.

Which mask: of the kind that the config states; where it states none, the `audio_mask` of the dataset file if
it has that column, else spans that are drawn. The times of a given mask are those of its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.errors import LtxError
from ltx_core.geometry.grid import AudioScale
from ltx_core.stages.base import Item, Stage, pending, rejected, unusable
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.given import given_file, is_given
from ltx_core.stages.scores import kept_clips
from ltx_core.store.rows import PendingRow

if TYPE_CHECKING:
    from ltx_core.curation.audio_masks import AudioMask

PICTURE, SOUND = "mask.png", "mask.wav"
COLUMN = "audio_masks"
GIVEN = "audio_mask"
"""Column of the dataset file."""


class AudioMasks(Stage):
    """White keeps, black is generated; as a sound, full scale keeps."""

    name: ClassVar[str] = COLUMN

    def needed(self, context: Context) -> bool:
        """A mode that reads this column."""
        return COLUMN in context.config.training_strategy.columns

    def section(self, context: Context) -> dict[str, Any]:
        """Kind and its parameters, threshold, and the model's steps."""
        dataset, kind = context.config.dataset, _kind(context)
        options = {} if kind == "file" else asdict(dataset.audio_masks)
        steps = asdict(_scale(context))
        return {**options, "kind": kind, "threshold": dataset.mask_threshold, "steps": steps}

    def items(self, context: Context) -> list[Item]:
        """One per clip, keyed by its duration and the given file."""
        found = []
        for clip in kept_clips(context):
            given = clip.file.side.get(GIVEN)
            digest = given.digest if given is not None and _kind(context) == "file" else ""
            inputs = [clip.clip_id, repr(clip.seconds), digest]
            found.append(Item(self.key(context, inputs), clip.clip_id, clip.name, (clip.row_key,), clip))
        return found

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Draw or read each mask, and take its mean over each latent step."""
        import torch

        from ltx_core.curation.audio_masks import latent_audio_mask, mask_picture
        from ltx_core.media.errors import MediaError
        from ltx_core.media.sheet import png
        from ltx_core.media.wav import wav_bytes

        for item in items:
            clip: Clip = item.payload
            try:
                mask = self._mask(context, clip)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            threshold = context.config.dataset.mask_threshold
            latent = latent_audio_mask(mask, clip.seconds, _scale(context), threshold)
            if latent.min() > 0:
                step = 1 / _scale(context).latents_per_second
                reason = f"{GIVEN} generates no whole latent step of {step:g} s of the clip"
                yield rejected(item, f"{reason}: nothing is left to learn")
                continue
            yield pending(
                item,
                tensors={"mask": torch.as_tensor(latent, dtype=torch.float32)},
                files={PICTURE: png(mask_picture(mask)), SOUND: wav_bytes(mask.values[None], mask.rate)},
                columns={
                    "kind": _kind(context),
                    "kept": float(latent.mean()),
                    "duration": clip.seconds,
                },
            )

    def _mask(self, context: Context, clip: Clip) -> AudioMask:
        from ltx_core.curation.audio_masks import draw_spans, read_audio_mask, spans_mask

        if _kind(context) == "spans":
            options, scale = context.config.dataset.audio_masks, _scale(context)
            # The shortest stretch covers one latent step wholly, wherever it lies.
            least = 2 / scale.latents_per_second
            return spans_mask(draw_spans(clip.clip_id, clip.seconds, options, least), clip.seconds)
        with given_file(clip, GIVEN) as path:
            return read_audio_mask(path, clip.seconds, clip.time)


def _kind(context: Context) -> str:
    return context.config.dataset.audio_masks.kind or ("file" if is_given(context, GIVEN) else "spans")


def _scale(context: Context) -> AudioScale:
    scale = context.info.audio_scale
    if scale is None:
        raise LtxError("this model has no audio; remove `training_strategy.audio`")
    return scale
