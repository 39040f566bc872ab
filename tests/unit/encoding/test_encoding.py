"""Pixels, waves and captions to stored tensors with the demo's model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ltx_core.encoding.audio import encode_audio
from ltx_core.encoding.text import encode_text
from ltx_core.encoding.video import encode_video, frames_of, pixels_of
from ltx_core.models.info import ModelInfo
from ltx_core.models.ltx2 import load_audio, load_text, load_video_vae

INFO = ModelInfo.read(Path(__file__).parents[3] / "data" / "model")


def scene():
    """A red disc that moves right on teal, 9 frames of 64 x 64."""
    rows, columns = np.mgrid[0:64, 0:64]
    frames = np.empty((9, 64, 64, 3), np.uint8)
    for index in range(9):
        inside = (rows - 32) ** 2 + (columns - 20 - 3 * index) ** 2 < 100
        frames[index] = np.where(inside[..., None], (225, 40, 40), (30, 110, 115))
    return frames


def test_frames_come_back_from_pixels_bit_for_bit():
    frames = np.random.default_rng(0).integers(0, 256, (9, 8, 6, 3), dtype=np.uint8)
    pixels = pixels_of(frames)
    assert pixels.shape == (3, 9, 8, 6) and pixels.min() >= -1 and pixels.max() <= 1
    assert (frames_of(pixels) == frames).all() and (frames_of(pixels[None])[0] == frames).all()


def test_video_comes_back_from_latents():
    codec = load_video_vae(INFO)
    latents = encode_video(codec, scene(), "bfloat16")
    assert latents.shape == (32, 3, 4, 4) and latents.dtype == torch.bfloat16
    again = frames_of(codec.decode(latents[None]))[0]
    error = (again.astype(float) - scene()) / 255
    assert -10 * np.log10((error**2).mean()) > 20
    exact = encode_video(codec, scene())
    assert torch.equal(exact, encode_video(codec, scene()))
    assert torch.equal(exact.to(torch.bfloat16), latents)


@pytest.mark.parametrize("seconds, steps", [(9 / 8, 11), (1.0, 10), (0.25, 2)])
def test_audio_is_cropped_to_its_duration(seconds, steps):
    wave = np.random.default_rng(0).normal(0, 0.1, (2, round(seconds * 8000))).astype(np.float32)
    latents = encode_audio(load_audio(INFO), wave, seconds)
    assert latents.shape == (4, steps, 4) and latents.is_contiguous()


def test_audio_that_is_too_short_is_refused():
    codec = load_audio(INFO)
    with pytest.raises(ValueError, match="pad the wave to 9000 samples"):
        encode_audio(codec, np.zeros((2, 4000), np.float32), 9 / 8)
    with pytest.raises(ValueError, match="too short"):
        encode_audio(codec, np.zeros((2, 100), np.float32), 9 / 8)


def test_text_is_one_tensor_of_valid_tokens():
    tensors, dropped = encode_text(load_text(INFO), "a blue square moves up " * 5, "bfloat16")
    assert {name: tuple(t.shape) for name, t in tensors.items()} == {"video": (16, 64)}
    assert tensors["video"].dtype == torch.bfloat16 and dropped == 10
