"""audio_masks: which stretches of each clip's sound are generated, to look at and in latent steps.

Which mask: of the kind that the config states; where it states none, the `audio_mask` of the dataset file if
it has that column, else spans that are drawn. The times of a given mask are those of its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.config.kind_uses import Use
from ltx_core.curation.kinds import FILE
from ltx_core.curation.masking.kinds import AUDIO_MASKS
from ltx_core.curation.options.masks import AUDIO_DEFAULT
from ltx_core.errors import LtxError
from ltx_core.geometry.grid import AudioScale
from ltx_core.stages.base import Item, Stage, pending, rejected, unusable
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.given import given_file, is_given
from ltx_core.stages.kind_work import kind_marks, kind_work, own_values
from ltx_core.stages.scores import kept_clips
from ltx_core.store.rows import PendingRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ltx_core.curation.masking.audio_mask import AudioMask

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
        dataset, use = context.config.dataset, audio_mask_use(context)
        marks, inverted = kind_marks(context, use), dataset.audio_masks.invert
        more = {**({"marks": marks} if marks else {}), **({"invert": True} if inverted else {})}
        steps = asdict(_scale(context))
        own = {"kind": use.kind.name, **own_values(use), **more}
        return {**own, "threshold": dataset.mask_threshold, "steps": steps}

    def items(self, context: Context) -> list[Item]:
        """One per clip, keyed by its duration and what its mask is made of: a file, or its sound."""
        found, kind = [], audio_mask_use(context).kind
        for clip in kept_clips(context):
            given = clip.file.side.get(GIVEN)
            made_of = [given.digest, *clip.late] if given is not None and kind.name == FILE else [""]
            inputs = [clip.clip_id, repr(clip.seconds), *([clip.sound] if kind.of_clip else made_of)]
            found.append(Item(self.key(context, inputs), clip.clip_id, clip.name, (clip.row_key,), clip))
        return found

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Make or read each mask, and take its mean over each latent step."""
        import torch

        from ltx_core.curation.masking.audio_mask import latent_audio_mask, mask_picture
        from ltx_core.media.errors import MediaError
        from ltx_core.media.sheet import png
        from ltx_core.media.wav import wav_bytes

        for item in items:
            clip: Clip = item.payload
            try:
                mask = _mask(context, clip)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            threshold = context.config.dataset.mask_threshold
            latent = latent_audio_mask(mask, clip.seconds, _scale(context), threshold)
            if reason := _useless(context, float(latent.min()), float(latent.max())):
                yield rejected(item, reason)
                continue
            yield pending(
                item,
                tensors={"mask": torch.as_tensor(latent, dtype=torch.float32)},
                files={PICTURE: png(mask_picture(mask)), SOUND: wav_bytes(mask.values[None], mask.rate)},
                columns={
                    "kind": audio_mask_use(context).kind.name,
                    "kept": float(latent.mean()),
                    "duration": clip.seconds,
                },
            )


def audio_mask_use(context: Context) -> Use:
    """The kind of the masks over time, with its options."""
    options = context.config.dataset.audio_masks
    stated = options.kind or (FILE if is_given(context, GIVEN) else AUDIO_DEFAULT)
    return Use("dataset.audio_masks", AUDIO_MASKS[stated], options)


def _mask(context: Context, clip: Clip) -> AudioMask:
    """The mask of a clip.

    Raises:
        MediaError: when there is none, or nothing to make it of.
    """
    from ltx_core.curation.masking.audio_file import read_audio_mask
    from ltx_core.curation.masking.audio_mask import inverted
    from ltx_core.curation.masking.audio_target import AudioTarget

    use, scale = audio_mask_use(context), _scale(context)
    if use.kind.make is None:
        with given_file(clip, GIVEN) as path:
            mask = read_audio_mask(path, clip.seconds, clip.time)
    else:
        rate = scale.sample_rate
        target = AudioTarget(
            clip.seconds, 1 / scale.latents_per_second, rate, lambda: _sound(context, clip, rate)
        )
        mask = use.kind.make(target, use.options, kind_work(context, use, clip.clip_id))
    return inverted(mask) if use.options.invert else mask


def _sound(context: Context, clip: Clip, rate: int) -> NDArray[np.float32]:
    from ltx_core.media.errors import MediaError

    wave = context.models.sound(clip, rate)
    if wave is None:
        raise MediaError("no audio stream", clip.path)
    return wave


def _useless(context: Context, least: float, most: float) -> str:
    """Why a mask with steps from `least` to `most` cannot be learned from, or ""."""
    kind, step = audio_mask_use(context).kind.name, 1 / _scale(context).latents_per_second
    what = GIVEN if kind == FILE else f"the mask ({kind})"
    if most == 0:
        return (
            f"{what} keeps nothing of the clip: it would be generated without a condition; keep a part of it"
        )
    if least == 0:
        return ""
    return f"{what} generates no whole latent step of {step:g} s of the clip: nothing is left to learn"


def _scale(context: Context) -> AudioScale:
    scale = context.info.audio_scale
    if scale is None:
        raise LtxError("this model has no audio; remove `training_strategy.audio`")
    return scale
