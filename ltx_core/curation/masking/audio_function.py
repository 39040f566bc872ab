"""function: a user's own, by import path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltx_core.curation.functions import call, check_path, described
from ltx_core.curation.kinds import Kind, Work
from ltx_core.curation.masking.audio_mask import AudioMask
from ltx_core.curation.masking.audio_target import AudioTarget, Wave
from ltx_core.errors import LtxError


@dataclass(frozen=True)
class AudioMaskFunctionOptions:
    """`package.module:function`."""

    function: str = ""


def audio_mask_of_function(path: str, wave: Wave, rate: int) -> AudioMask:
    """The mask that a function makes of `wave`, float32 `[C, S]`.

    Raises:
        LtxError: when it cannot be imported, fails, or returns anything but S values in [0, 1] or booleans.
    """
    found = call(path, wave, rate)
    if isinstance(found, np.ndarray) and found.shape == wave.shape[1:] and found.dtype.kind in "bf":
        values = found.astype(np.float32)
        if bool(np.isfinite(values).all()) and values.min() >= 0 and values.max() <= 1:
            return AudioMask(values, rate)
    raise LtxError(
        f"{path} returned {described(found)}; a mask of a sound {list(wave.shape)} is an array "
        f"{list(wave.shape[1:])} of booleans, or of floats in [0, 1]: 1 keeps, 0 is generated"
    )


def _make(target: AudioTarget, options: AudioMaskFunctionOptions, work: Work) -> AudioMask:
    return audio_mask_of_function(options.function, target.sound(), target.rate)


def _check(options: AudioMaskFunctionOptions) -> None:
    check_path("function", options.function)


AUDIO_FUNCTION = Kind(
    "function",
    "your own: a sound `[2, S]` of float32 and its rate in, a mask `[S]` in [0, 1] out",
    AudioMaskFunctionOptions,
    _make,
    check=_check,
    function="function",
)
