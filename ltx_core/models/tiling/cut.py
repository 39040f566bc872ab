"""When a video autoencoder works in pieces, and how large they are. Needs no torch.

Design choices
- Decided by the model's config, the clip's size and the precision, never by the memory that happens to be
  free: a stored result must not depend on the machine. Pieces give the numbers of the whole but for rounding
  (`stream.py`), which is still another result to the bit, so they enter the keys of stored rows.
- A clip is cut along time or along rows, whichever takes less. Both are exact, so neither needs an overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ltx_core.models.tiling.memory import Axis, complete, decode_peak_bytes, encode_peak_bytes, factors

TilingMode = Literal["auto", "always", "never"]
"""`auto`: where the whole would take more than `WHOLE_BYTES`; `always`: in the smallest pieces."""
WHOLE_BYTES = 12 << 30
"""A pass that takes no more is never cut: 960x544x89 of the largest public models, in float32 too."""
PIECE_BYTES = 6 << 30
"""What a pass in pieces should take under `auto`."""
AXES: tuple[Axis, ...] = ("time", "rows")


@dataclass(frozen=True)
class Cut:
    """How a clip is cut.

    Attributes:
        axis: along time or rows.
        piece: latent frames or rows of a piece.
    """

    axis: Axis
    piece: int

    @property
    def mark(self) -> str:
        """Its name in the key of a stored row."""
        return f"in pieces of {self.piece} along {self.axis}"


def encode_cut(
    config: Mapping[str, Any], size: tuple[int, int, int], dtype: str, mode: TilingMode = "auto"
) -> Cut | None:
    """How a clip is cut for encoding; None: not at all.

    Args:
        config: of the autoencoder, as diffusers writes it.
        size: frames, height, width of the clip in pixels.
        dtype: `bf16`, `fp16` or `no` (float32).
        mode: as configured.
    """
    return _cut(encode_peak_bytes, config, size, dtype, mode)


def decode_cut(
    config: Mapping[str, Any], size: tuple[int, int, int], dtype: str, mode: TilingMode = "auto"
) -> Cut | None:
    """How a clip is cut for decoding; None: not at all. Arguments as of `encode_cut`."""
    return _cut(decode_peak_bytes, config, size, dtype, mode)


def _cut(
    peak: Callable[..., int],
    config: Mapping[str, Any],
    size: tuple[int, int, int],
    dtype: str,
    mode: TilingMode,
) -> Cut | None:
    if mode == "never" or int(complete(config)["patch_size_t"]) != 1:
        return None
    if mode == "auto" and peak(config, *size, dtype) <= WHOLE_BYTES:
        return None
    time, space = factors(config)
    lengths: dict[Axis, int] = {"time": (size[0] - 1) // time + 1, "rows": size[1] // space}
    axis = min(
        AXES, key=lambda axis: peak(config, *size, dtype, 1, axis) if lengths[axis] > 1 else float("inf")
    )
    if lengths[axis] == 1:
        return None
    piece = 1
    while mode == "auto" and peak(config, *size, dtype, piece + 1, axis) <= PIECE_BYTES:
        piece += 1
    return Cut(axis, piece) if piece < lengths[axis] else None
