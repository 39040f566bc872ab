"""Numbers of a weight in 8 and 4 bits: how each method stores them and what it reads back.

Design choices
- int8, fp8: one float32 scale per output channel, symmetric: the largest weight of a row is the largest code.
- int4, nf4: groups of 64 along a row, two numbers to a byte, the first in the lower half; 4.5 bits in all.
  A row that 64 does not divide is filled up with zeros, which are cut off again.
- int4: 16 even levels from the group's smallest to its largest number; both steps and offsets are kept in
  bfloat16 and the codes are chosen for what is kept, so that their rounding adds no error of its own.
- nf4: the 16 levels of QLoRA (Dettmers et al. 2023, appendix E), quantiles of a normal distribution, scaled
  by the group's largest absolute number; where 64 divides a row, the numbers of bitsandbytes' `nf4`. Both
  levels of each of the 256 bytes lie beside the codes, so that they are on the same device.
- Codes of fp8 are kept as bytes: a cast of a module's floating-point tensors leaves them alone.
- What is read back is rounded to the type of computing once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from ltx_core.models.quantise.methods import GROUP, Method

NF4 = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194972992,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
"""The levels of nf4."""
LARGEST_FP8 = 448.0
"""The largest number of float8 e4m3."""

Parts = dict[str, Tensor]
"""A stored weight: codes, scale, in int4 offset, in nf4 levels."""


@dataclass(frozen=True)
class Format:
    """A method's two directions.

    Attributes:
        encode: a weight `[out, in]` as its parts; works on the meta device too.
        decode: the parts and `in`, as the weight in a type of computing.
    """

    encode: Callable[[Tensor], Parts]
    decode: Callable[[Parts, int, torch.dtype], Tensor]


def _encode_int8(weight: Tensor) -> Parts:
    scale = _largest(weight) / 127
    return {"codes": (weight.float() / scale).round_().clamp_(-127, 127).to(torch.int8), "scale": scale}


def _encode_fp8(weight: Tensor) -> Parts:
    scale = _largest(weight) / LARGEST_FP8
    codes = (weight.float() / scale).clamp_(-LARGEST_FP8, LARGEST_FP8).to(torch.float8_e4m3fn)
    return {"codes": codes.view(torch.uint8), "scale": scale}


def _decode_int8(parts: Parts, columns: int, dtype: torch.dtype) -> Tensor:
    return _times(parts["codes"], parts["scale"], dtype)


def _decode_fp8(parts: Parts, columns: int, dtype: torch.dtype) -> Tensor:
    # Exact: every type of computing holds every number of float8.
    return _times(parts["codes"].view(torch.float8_e4m3fn).to(dtype), parts["scale"], dtype)


def _encode_int4(weight: Tensor) -> Parts:
    groups = _grouped(weight)
    low, high = groups.amin(-1), groups.amax(-1)
    offset = low.bfloat16()
    step = ((high - low) / 15).clamp_min(_TINY).bfloat16()
    codes = ((groups - offset.float()[..., None]) / step.float()[..., None]).round_().clamp_(0, 15)
    return {"codes": _packed(codes.to(torch.uint8)), "scale": step, "offset": offset}


def _decode_int4(parts: Parts, columns: int, dtype: torch.dtype) -> Tensor:
    step, offset = (parts[name].to(dtype)[..., None] for name in ("scale", "offset"))
    return _whole(torch.addcmul(offset, _unpacked(parts["codes"]).to(dtype), step), columns)


def _encode_nf4(weight: Tensor) -> Parts:
    groups = _grouped(weight)
    scale = groups.abs().amax(-1).clamp_min(_TINY)
    levels = torch.tensor(NF4, device=weight.device)
    between = (levels[1:] + levels[:-1]) / 2
    codes = torch.bucketize(groups / scale[..., None], between, out_int32=True)
    both = torch.stack((levels.repeat(16), levels.repeat_interleave(16)), 1)
    return {"codes": _packed(codes.to(torch.uint8)), "scale": scale, "levels": both}


def _decode_nf4(parts: Parts, columns: int, dtype: torch.dtype) -> Tensor:
    codes, scale = parts["codes"], parts["scale"][..., None]
    # int32: an index of 8 bytes for each byte would be the largest tensor of all.
    values = parts["levels"].index_select(0, codes.flatten().int())
    return _whole(_times(values.view(*codes.shape[:2], GROUP), scale, dtype), columns)


FORMATS: Mapping[Method, Format] = {
    "int8": Format(_encode_int8, _decode_int8),
    "fp8": Format(_encode_fp8, _decode_fp8),
    "int4": Format(_encode_int4, _decode_int4),
    "nf4": Format(_encode_nf4, _decode_nf4),
}
"""By method."""


def empty_parts(method: Method, rows: int, columns: int) -> Parts:
    """The parts of a weight `[rows, columns]` that has no memory yet, on the meta device."""
    return {
        name: torch.empty(shape, dtype=dtype, device="meta")
        for name, shape, dtype in _layout(method, rows, columns)
    }


@cache
def _layout(method: Method, rows: int, columns: int) -> tuple[tuple[str, torch.Size, torch.dtype], ...]:
    """Found out once for each size: arithmetic on the meta device takes milliseconds, and models are deep."""
    parts = FORMATS[method].encode(torch.empty(rows, columns, device="meta"))
    return tuple((name, part.shape, part.dtype) for name, part in parts.items())


_TINY = 1e-30
"""Scale of numbers that are all 0."""


def _largest(weight: Tensor) -> Tensor:
    """Largest absolute number of each row `[out, 1]`, float32."""
    return weight.abs().amax(1, keepdim=True).float().clamp_min(_TINY)


def _times(values: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Their product, computed in float32 and rounded once, without a float32 copy on a GPU."""
    result = torch.empty(values.shape, dtype=dtype, device=values.device)
    return torch.mul(values, scale, out=result)


def _grouped(weight: Tensor) -> Tensor:
    """A weight as `[out, groups, 64]`, float32, filled up with zeros."""
    padded = functional.pad(weight.float(), (0, -weight.shape[1] % GROUP))
    return padded.view(weight.shape[0], -1, GROUP)


def _packed(codes: Tensor) -> Tensor:
    """Codes 0..15 `[out, groups, 64]` as bytes `[out, groups, 32]`."""
    return codes[..., ::2] | (codes[..., 1::2] << 4)


def _unpacked(codes: Tensor) -> Tensor:
    """Bytes `[out, groups, 32]` as codes 0..15 `[out, groups, 64]`."""
    return torch.stack((codes & 15, codes >> 4), -1).flatten(-2)


def _whole(groups: Tensor, columns: int) -> Tensor:
    """Groups `[out, groups, 64]` as the weight `[out, columns]`."""
    return groups.flatten(1)[:, :columns]
