"""function: a user's own, by import path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.functions import call, check_path, described
from ltx_core.curation.kinds import Kind, Work
from ltx_core.errors import LtxError

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class AudioFunctionOptions:
    """`package.module:function`."""

    function: str = ""


def wave_of_function(path: str, wave: Wave, rate: int) -> Wave:
    """What a function makes of `wave`, float32 `[C, S]` in [-1, 1].

    Raises:
        LtxError: when it cannot be imported, fails, or returns anything but a sound of the same shape.
    """
    found = call(path, wave, rate)
    floats = isinstance(found, np.ndarray) and found.dtype.kind == "f"
    if floats and found.shape == wave.shape and bool(np.isfinite(found).all()):
        return np.ascontiguousarray(found, np.float32)
    raise LtxError(
        f"{path} returned {described(found)}; a reference is made of a sound {list(wave.shape)} of float32 "
        "[channels, samples] and its rate, and must be an array of the same shape, of finite floats"
    )


def _make(wave: Wave, rate: int, options: AudioFunctionOptions, work: Work) -> Wave:
    return wave_of_function(options.function, wave, rate)


def _check(options: AudioFunctionOptions) -> None:
    check_path("function", options.function)


AUDIO_FUNCTION = Kind(
    "function",
    "your own: a sound `[2, S]` of float32 and its rate in, the same shape out",
    AudioFunctionOptions,
    _make,
    check=_check,
    function="function",
)
