"""Change of sample rate and downmix to stereo, as LTX-2's audio front end does it.

The filter is a windowed sinc (Hann, six zero crossings, roll-off 0.99), which gives the numbers of
torchaudio's default; the result is checked by `tests/golden/test_mel.py`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

ZERO_CROSSINGS = 6
ROLL_OFF = 0.99
_SHARE = 0.707
"""Centre and surround channels against the front ones; to three digits, as in the LTX-2 reference."""


def _normalised(*rows: tuple[float, ...]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(value / sum(row) for value in row) for row in rows)


DOWNMIX = {
    6: _normalised((1, 0, _SHARE, 0, _SHARE, 0), (0, 1, _SHARE, 0, 0, _SHARE)),
    8: _normalised((1, 0, _SHARE, 0, _SHARE, 0, _SHARE, 0), (0, 1, _SHARE, 0, 0, _SHARE, 0, _SHARE)),
}
"""Left and right from 5.1 and 7.1 channels in FFmpeg's order (L R C LFE, back, side), without the bass."""


def resample(wave: Tensor, from_rate: int, to_rate: int) -> Tensor:
    """`wave` `[C, S]` at `from_rate` as `[C, ceil(S * to_rate / from_rate)]` at `to_rate`.

    Raises:
        ValueError: when a rate is not positive.
    """
    import torch

    if from_rate <= 0 or to_rate <= 0:
        raise ValueError(f"cannot resample from {from_rate} to {to_rate} per second: rates must be positive")
    if from_rate == to_rate:
        return wave
    unit = math.gcd(from_rate, to_rate)
    old, new = from_rate // unit, to_rate // unit
    kernel, width = _kernel(old, new)
    padded = torch.nn.functional.pad(wave.float(), (width, width + old))
    out = torch.nn.functional.conv1d(padded[:, None], kernel.to(wave.device), stride=old)
    out = out.transpose(1, 2).reshape(wave.shape[0], -1)
    return out[:, : math.ceil(new * wave.shape[1] / old)]


@lru_cache(maxsize=8)
def _kernel(old: int, new: int) -> tuple[Tensor, int]:
    """Filters `[new, 1, taps]`, one per output phase, and the padding that they need on either side."""
    import torch

    cutoff = min(old, new) * ROLL_OFF
    width = math.ceil(ZERO_CROSSINGS * old / cutoff)
    source = torch.arange(-width, width + old, dtype=torch.float64) / old
    phase = torch.arange(0, -new, -1, dtype=torch.float64) / new
    time = ((phase[:, None, None] + source) * cutoff).clamp(-ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = torch.cos(time * math.pi / ZERO_CROSSINGS / 2) ** 2
    return (torch.sinc(time) * window * (cutoff / old)).float(), width


def to_stereo(wave: Tensor) -> Tensor:
    """`[C, S]` as `[2, S]`: mono twice, 5.1 and 7.1 mixed down, any other number of channels averaged."""
    import torch

    channels = wave.shape[0]
    if channels == 2:
        return wave
    if channels in DOWNMIX:
        return torch.tensor(DOWNMIX[channels], dtype=wave.dtype, device=wave.device) @ wave
    return wave.mean(dim=0, keepdim=True).expand(2, -1).contiguous()
