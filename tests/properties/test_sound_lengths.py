"""Sound is as long as its video: what is stored has the length that sampling makes, at every rate."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ltx_core.encoding.audio import encode_audio
from ltx_core.geometry.grid import AudioScale
from ltx_core.geometry.units import audio_grid
from ltx_core.media.mel import MelSpec
from ltx_core.models.codecs import AudioCodec
from ltx_core.models.info import ModelInfo
from ltx_core.models.ltx2 import load_audio

RATES = (8.0, 10.0, 12.0, 15.0, 16.0, 24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 48.0, 50.0, 60.0)
FRAMES = (9, 17, 25, 33, 41, 49, 57, 65, 73, 81, 89, 97, 113, 121, 129, 161, 193, 241, 257)
FRONT_ENDS = {"ltx2": MelSpec(), "small": MelSpec(8000, 800, 200, 16, 60, 4000, "htk", None, 1e-3)}


class Autoencoder:
    """Gives as many latents as the real one: a latent of every four mel frames that were begun."""

    config = SimpleNamespace(latent_channels=1)
    device = torch.device("cpu")

    def __init__(self, bins):
        self.latents_mean, self.latents_std = torch.zeros(bins), torch.ones(bins)

    def encode(self, picture):
        frames, bins = picture.shape[2:]
        latents = torch.zeros(1, 1, -(-frames // 4), bins // 4)
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: latents))


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_stored_sound_is_as_long_as_sampled_sound(name):
    mel = FRONT_ENDS[name]
    codec = AudioCodec(Autoencoder(mel.mel_bins // 4), None, mel, mel.sample_rate)
    scale = AudioScale(mel.sample_rate, mel.hop)
    longer = 0
    for fps in RATES:
        for frames in FRAMES:
            seconds = frames / fps
            wave = np.zeros((2, round(seconds * mel.sample_rate)), np.float32)
            stored = encode_audio(codec, wave, seconds)
            assert stored.shape[1] == audio_grid(seconds, scale).steps, (frames, fps)
            raw = -(-(1 + wave.shape[1] // mel.hop) // 4)
            assert raw - stored.shape[1] in (0, 1)
            longer += raw > stored.shape[1]
    assert longer > 0  # the front end alone would often give one more


def test_the_demos_autoencoder_gives_the_latents_that_are_counted_on():
    codec = load_audio(ModelInfo.read(Path(__file__).parents[2] / "data" / "model"))
    for samples in (1000, 5000, 5001, 8000, 8799, 8800):
        frames = 1 + samples // codec.mel.hop
        assert codec.encode(torch.zeros(1, 2, samples)).shape[2] == -(-frames // 4)
