"""Sound as a WAV file: 16-bit samples, equal input gives equal bytes."""

from __future__ import annotations

import wave as riff
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32767


def wav_bytes(wave: NDArray[np.float32], rate: int) -> bytes:
    """The bytes of a WAV file of samples `[C, S]` in [-1, 1]; what lies outside is clipped.

    Raises:
        ValueError: when the wave is not `[C, S]` or the rate not positive.
    """
    if wave.ndim != 2 or not wave.shape[0] or rate <= 0:
        raise ValueError(
            f"sound is {wave.shape} at {rate} per second; it must be [channels, samples], rate > 0"
        )
    samples = np.round(np.clip(wave, -1, 1) * FULL_SCALE).astype("<i2")
    out = BytesIO()
    with riff.open(out, "wb") as file:
        file.setnchannels(wave.shape[0])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.ascontiguousarray(samples.T).tobytes())
    return out.getvalue()
