"""Sample formats and channel layouts of sound files: what is read is what was written."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch

from ltx_core.media.audio import read_audio
from ltx_core.media.resample import to_stereo

RATE = 16000
FORMATS = {  # codec -> the type that PyAV takes, full scale, what rounding may cost
    "pcm_u8": ("u8", 128, 1 / 128),
    "pcm_s16le": ("s16", 2**15, 1e-4),
    "pcm_s24le": ("s32", 2**31, 1e-6),
    "pcm_s32le": ("s32", 2**31, 1e-6),
    "pcm_f32le": ("flt", 1, 1e-6),
    "pcm_f64le": ("dbl", 1, 1e-6),
    "flac": ("s16", 2**15, 1e-4),
}
LAYOUTS = {"mono": 1, "stereo": 2, "3.0": 3, "5.1": 6, "7.1": 8}


def waves(channels, seconds=0.5):
    """A tone of its own in every channel `[C, S]`."""
    times = np.arange(round(seconds * RATE)) / RATE
    return np.stack([0.6 * np.sin(2 * np.pi * 200 * (1 + n) * times) for n in range(channels)])


def write(path, wave, layout="stereo", codec="pcm_f32le"):
    kind, scale, _ = FORMATS[codec]
    types = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32, "dbl": np.float64}
    values = np.clip(wave * scale + (128 if kind == "u8" else 0), *_limits(types[kind]))
    packed = np.ascontiguousarray(values.T).astype(types[kind]).reshape(1, -1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, layout=layout)
        frame = av.AudioFrame.from_ndarray(packed, format=kind, layout=layout)
        frame.sample_rate = RATE
        for part in stream.encode(frame) + stream.encode(None):
            container.mux(part)


def _limits(kind):
    return (-np.inf, np.inf) if np.issubdtype(kind, np.floating) else (np.iinfo(kind).min, np.iinfo(kind).max)


@pytest.mark.parametrize("codec", FORMATS)
def test_every_sample_format_is_read_at_its_scale(tmp_path, codec):
    wave = waves(2)
    path = tmp_path / ("sound.flac" if codec == "flac" else "sound.wav")
    write(path, wave, codec=codec)
    found = read_audio(path, 0, 0.5, RATE)
    assert found.dtype == np.float32 and found.shape == (2, RATE // 2)
    assert np.abs(found - wave).max() <= FORMATS[codec][2]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_becomes_the_stereo_of_the_front_end(tmp_path, layout):
    wave = waves(LAYOUTS[layout]).astype(np.float32)
    write(tmp_path / "sound.wav", wave, layout)
    found = read_audio(tmp_path / "sound.wav", 0, 0.5, RATE)
    expected = to_stereo(torch.from_numpy(wave)).numpy()
    assert np.abs(found - expected).max() < 1e-6
    assert np.abs(expected).max() <= 0.6 + 1e-6  # a downmix never clips


@pytest.mark.parametrize("seconds", [0.3, 0.5, 0.75])
def test_sound_is_cut_or_filled_with_silence_to_the_duration(tmp_path, seconds):
    wave = waves(2)
    write(tmp_path / "sound.wav", wave)
    found = read_audio(tmp_path / "sound.wav", 0, seconds, RATE)
    assert found.shape == (2, round(seconds * RATE))
    there = min(found.shape[1], wave.shape[1])
    assert np.abs(found[:, :there] - wave[:, :there]).max() < 1e-6
    assert not found[:, there:].any()
