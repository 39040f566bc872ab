"""The audio front end: a log-mel picture of a stereo wave, which the audio VAE encodes.

LTX-2's: 1024-point magnitude spectra every 160 samples at 16 kHz, 64 Slaney mel bands from 0 to 8000 Hz,
natural logarithm above a floor. Checked by `tests/golden/test_mel.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge, Gt

if TYPE_CHECKING:
    from torch import Tensor

SLANEY_LINEAR_HZ = 200.0 / 3
"""Hertz per mel on the linear part of the Slaney scale, which ends at 1000 Hz."""
SLANEY_BREAK_HZ = 1000.0
SLANEY_LOG_STEP = math.log(6.4) / 27


@dataclass(frozen=True)
class MelSpec:
    """How sound becomes a mel picture; the fields of `preprocessor_config.json` beside an audio VAE.

    Attributes:
        sample_rate: samples per second that the wave must have.
        n_fft, hop: samples of one spectrum and between two spectra.
        mel_bins, f_min, f_max: number of bands and their range in Hz.
        scale, norm: spacing of the bands, and whether each has the same area.
        floor: smallest magnitude before the logarithm.
        mean, std: what the model normalises the logarithm by.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    sample_rate: Annotated[int, Gt(0)] = 16000
    n_fft: Annotated[int, Gt(1)] = 1024
    hop: Annotated[int, Gt(0)] = 160
    mel_bins: Annotated[int, Gt(0)] = 64
    f_min: Annotated[float, Ge(0)] = 0.0
    f_max: Annotated[float, Gt(0)] = 8000.0
    scale: Literal["slaney", "htk"] = "slaney"
    norm: Literal["slaney"] | None = "slaney"
    floor: Annotated[float, Gt(0)] = 1e-5
    mean: float = 0.0
    std: Annotated[float, Gt(0)] = 1.0


def log_mel(wave: Tensor, spec: MelSpec) -> Tensor:
    """The log-mel picture of `wave` `[B, 2, S]`: `[B, 2, 1 + S // hop, mel_bins]`, normalised.

    Raises:
        ValueError: for a wave shorter than half a spectrum and one sample (its ends are mirrored).
    """
    import torch

    samples = wave.shape[-1]
    if samples <= spec.n_fft // 2:
        raise ValueError(
            f"{samples} samples of sound are too short: at least {spec.n_fft // 2 + 1} are needed "
            f"({(spec.n_fft // 2 + 1) / spec.sample_rate:.3f} s at {spec.sample_rate} per second)"
        )
    flat = wave.float().reshape(-1, samples)
    window = torch.hann_window(spec.n_fft, device=wave.device)
    spectrum = torch.stft(
        flat, spec.n_fft, spec.hop, window=window, center=True, pad_mode="reflect", return_complex=True
    )
    banded = spectrum.abs().transpose(1, 2) @ mel_filters(spec).to(wave.device)
    logarithm = banded.clamp(min=spec.floor).log()
    return ((logarithm - spec.mean) / spec.std).reshape(*wave.shape[:-1], *logarithm.shape[1:])


@lru_cache(maxsize=8)
def mel_filters(spec: MelSpec) -> Tensor:
    """Triangular bands `[n_fft // 2 + 1, mel_bins]` float32."""
    import torch

    bins = torch.linspace(0, spec.sample_rate // 2, spec.n_fft // 2 + 1)
    low, high = _to_mel(spec.f_min, spec.scale), _to_mel(spec.f_max, spec.scale)
    edges = _to_hertz(torch.linspace(low, high, spec.mel_bins + 2), spec.scale)
    width = edges.diff()
    slopes = edges[None] - bins[:, None]
    rise, fall = -slopes[:, :-2] / width[:-1], slopes[:, 2:] / width[1:]
    bands = torch.minimum(rise, fall).clamp(min=0)
    if spec.norm == "slaney":
        bands = bands * (2 / (edges[2:] - edges[:-2]))
    return bands


def _to_mel(hertz: float, scale: str) -> float:
    if scale == "htk":
        return 2595 * math.log10(1 + hertz / 700)
    if hertz < SLANEY_BREAK_HZ:
        return hertz / SLANEY_LINEAR_HZ
    return SLANEY_BREAK_HZ / SLANEY_LINEAR_HZ + math.log(hertz / SLANEY_BREAK_HZ) / SLANEY_LOG_STEP


def _to_hertz(mels: Tensor, scale: str) -> Tensor:
    import torch

    if scale == "htk":
        return 700 * (10 ** (mels / 2595) - 1)
    start = SLANEY_BREAK_HZ / SLANEY_LINEAR_HZ
    curved = SLANEY_BREAK_HZ * torch.exp(SLANEY_LOG_STEP * (mels - start))
    return torch.where(mels >= start, curved, mels * SLANEY_LINEAR_HZ)
