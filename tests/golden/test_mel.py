"""The audio front end against the LTX-2 reference: downmix, resampling, log-mel."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from ltx_core.media.mel import MelSpec, log_mel
from ltx_core.media.resample import resample, to_stereo

GOLDEN = Path(__file__).parent / "data" / "mel.safetensors"
with safe_open(GOLDEN, "pt") as handle:
    CASES = json.loads(handle.metadata()["cases"])
    SETTINGS = json.loads(handle.metadata()["settings"])


def load(name):
    with safe_open(GOLDEN, "pt") as handle:
        return handle.get_tensor(name)


def test_the_default_front_end_has_the_settings_of_the_reference():
    spec, settings = MelSpec(), dict(SETTINGS)
    fixed = {"win_length": spec.n_fft, "power": 1.0, "center": True, "pad_mode": "reflect"}
    named = {
        "sample_rate": spec.sample_rate,
        "n_fft": spec.n_fft,
        "hop_length": spec.hop,
        "n_mels": spec.mel_bins,
        "f_min": spec.f_min,
        "f_max": spec.f_max,
        "mel_scale": spec.scale,
        "norm": spec.norm,
        "log_floor": spec.floor,
    }
    assert settings == fixed | named


@pytest.mark.parametrize("case", [name for name, facts in CASES.items() if "error" not in facts])
def test_log_mel_equals_the_reference(case):
    rate = CASES[case]["sample_rate"]
    spec = MelSpec()
    wave = resample(to_stereo(load(f"{case}.waveform")), rate, spec.sample_rate)
    mel = log_mel(wave[None], spec)
    assert mel.shape == (1, 2, CASES[case]["mel_frames"], 64)
    assert -(-mel.shape[2] // 4) == CASES[case]["latent_frames"]
    tolerance = 1e-4 if rate == spec.sample_rate else 5e-4
    torch.testing.assert_close(mel, load(f"{case}.mel"), rtol=0, atol=tolerance)


def test_a_wave_too_short_for_one_spectrum_is_refused_with_the_needed_length():
    wave = to_stereo(load("too_short_16k.waveform"))
    with pytest.raises(ValueError, match="400 samples of sound are too short: at least 513"):
        log_mel(wave[None], MelSpec())
    assert log_mel(torch.zeros(1, 2, 513), MelSpec()).shape == (1, 2, 4, 64)


def test_normalisation_is_applied_to_the_logarithm():
    wave = torch.sin(torch.arange(8000) * 0.3).expand(1, 2, -1)
    tiny = {"sample_rate": 8000, "n_fft": 800, "hop": 200, "mel_bins": 16, "f_min": 60, "f_max": 4000}
    spec = MelSpec(**tiny, scale="htk", norm=None, floor=1e-3)
    plain = log_mel(wave, spec)
    shifted = log_mel(wave, MelSpec(**tiny, scale="htk", norm=None, floor=1e-3, mean=-3, std=3))
    torch.testing.assert_close(shifted, (plain + 3) / 3)
