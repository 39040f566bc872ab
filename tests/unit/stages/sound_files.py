"""Sound files of the kinds that users have, written by PyAV."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

CODECS = {".wav": "pcm_s16le", ".flac": "flac", ".mp3": "libmp3lame", ".m4a": "aac"}


def tones(
    *hertz: float, each: float = 1.125, rate: int = 16000, amplitude: float = 0.4
) -> NDArray[np.float32]:
    """Stereo tones one after the other, `each` seconds long."""
    time = np.arange(round(each * rate)) / rate
    wave = np.concatenate([amplitude * np.sin(2 * np.pi * one * time) for one in hertz])
    return np.stack([wave, wave]).astype(np.float32)


def write_sound(path: Path, wave: NDArray[np.float32], rate: int = 16000) -> None:
    """A file in the format that its suffix names."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[path.suffix], rate=rate, layout="stereo")
        stream.codec_context.open()
        block = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(stream.codec_context.format.name, "stereo", rate)
        for start in range(0, wave.shape[1], block):
            samples = np.ascontiguousarray(wave[:, start : start + block])
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
            frame.rate, frame.pts = rate, start
            for changed in resampler.resample(frame):
                changed.pts = start
                container.mux(stream.encode(changed))
        container.mux(stream.encode(None))
