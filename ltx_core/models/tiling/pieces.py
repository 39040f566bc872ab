"""A convolution over a video that comes in pieces, and what pieces need besides.

The pieces follow one another along time or along rows. A convolution keeps the end of what it has seen, adds
its padding at the true ends only, and so gives in pieces what it gives at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv3d, pad

Pieces = Iterator[Tensor]
"""Parts of a video `[B, C, F, H, W]` in their order along one axis."""
TIME, ROWS = 2, 3
"""The axes along which a video can be cut."""


@dataclass(frozen=True)
class Run:
    """One pass of an encoder or decoder.

    Attributes:
        axis: `TIME` or `ROWS`.
        causal: whether convolutions look back only, in time; LTX-Video's say so themselves.
        rows, columns: of the whole video in latents, by which a layer that adds noise knows its picture.
        level: noise level `[B]` of a decoder that takes one.
    """

    axis: int
    causal: bool
    rows: int = 0
    columns: int = 0
    level: Tensor | None = None


def convolved(module: Any, pieces: Pieces, run: Run) -> Pieces:
    """A causal convolution of diffusers: time is padded by its first and last frame, rows as they are."""
    edges = _Edges.of(module, run)
    held: Tensor | None = None
    begun = False
    for piece in pieces:
        held = joined([held, piece], run.axis)
        del piece
        if not begun and held.shape[run.axis] <= edges.reach:
            continue  # the mirrored edge is not there yet
        held = held if begun else edges.begin(held)
        begun = True
        count = edges.outputs(held)
        if count > 0:
            result = [edges.convolve(held.narrow(run.axis, 0, (count - 1) * edges.step + edges.size))]
            held = _rest(held, count * edges.step, run.axis)
            yield result.pop()
    if held is not None and edges.after:
        held = edges.end(held)
        if edges.outputs(held) > 0:
            yield edges.convolve(held)


@dataclass(frozen=True)
class _Edges:
    """What a convolution adds at the two ends of the axis along which its input comes in pieces.

    Attributes:
        module: of diffusers.
        axis: of the pieces.
        size, step: of the kernel along that axis.
        before, after: frames or rows that are added.
        mode: `replicate`, `zeros` or `reflect`.
        past, next: frames added in time.
    """

    module: Any
    axis: int
    size: int
    step: int
    before: int
    after: int
    mode: str
    past: int
    next: int

    @classmethod
    def of(cls, module: Any, run: Run) -> _Edges:
        """The ends of `module` in a pass."""
        index, conv = run.axis - TIME, module.conv
        frames = module.kernel_size[0] - 1
        causal = bool(getattr(module, "is_causal", run.causal))
        past, after = (frames, 0) if causal else (frames // 2, frames // 2)
        size, step = module.kernel_size[index], conv.stride[index]
        if run.axis == TIME:
            return cls(module, TIME, size, step, past, after, "replicate", past, after)
        rows = conv.padding[1]
        return cls(module, ROWS, size, step, rows, rows, conv.padding_mode, past, after)

    @property
    def reach(self) -> int:
        """Frames or rows that must be there beside the first one before the edge can be added."""
        return self.before if self.mode == "reflect" else 0

    def outputs(self, held: Tensor) -> int:
        """How many outputs the frames or rows at hand give."""
        return int((held.shape[self.axis] - self.size) // self.step + 1)

    def begin(self, held: Tensor) -> Tensor:
        """`held` with the added beginning."""
        return joined([self._edge(held, range(self.before, 0, -1), 0, self.before), held], self.axis)

    def end(self, held: Tensor) -> Tensor:
        """`held` with the added end."""
        last = held.shape[self.axis] - 1
        mirrored = range(last - 1, last - 1 - self.after, -1)
        return joined([held, self._edge(held, mirrored, last, self.after)], self.axis)

    def _edge(self, held: Tensor, mirrored: range, nearest: int, count: int) -> Tensor | None:
        if not count:
            return None
        if self.mode == "reflect":
            return joined([held.narrow(self.axis, index, 1) for index in mirrored], self.axis)
        edge = torch.cat([held.narrow(self.axis, nearest, 1)] * count, self.axis)
        return edge if self.mode == "replicate" else torch.zeros_like(edge)

    def convolve(self, frames: Tensor) -> Tensor:
        """The convolution without an edge along the axis."""
        conv = self.module.conv
        if self.axis == TIME:
            result: Tensor = conv(frames)
            return result
        first, last = [frames[:, :, :1]] * self.past, [frames[:, :, -1:]] * self.next
        frames = joined([*first, frames, *last], TIME)
        columns = conv.padding[2]
        if conv.padding_mode != "zeros" and columns:
            frames, columns = pad(frames, (columns, columns, 0, 0, 0, 0), mode=conv.padding_mode), 0
        return conv3d(frames, conv.weight, conv.bias, conv.stride, (0, 0, columns), 1, conv.groups)


@dataclass
class Delay:
    """Frames or rows that wait for the other way through a layer."""

    axis: int
    held: Tensor | None = None

    def push(self, piece: Tensor) -> Tensor:
        """Keep a piece, and give it back."""
        self.held = joined([self.held, piece], self.axis)
        return piece

    def take(self, count: int) -> Tensor:
        """The first `count`, which are then forgotten."""
        assert self.held is not None  # a layer gives nothing before it has got something
        first = self.held.narrow(self.axis, 0, count)
        self.held = _rest(self.held, count, self.axis) if count < len(self) else None
        return first

    def __len__(self) -> int:
        return 0 if self.held is None else int(self.held.shape[self.axis])


def to_patches(piece: Tensor, size: int) -> Tensor:
    """`[B, C, F, H, W]` as `[B, C*size*size, F, H/size, W/size]`; columns before rows within a patch."""
    rows = split(split(piece, 4, (-1, size)), 3, (-1, size))
    return rows.permute(0, 1, 6, 4, 2, 3, 5).flatten(1, 3)


def from_patches(piece: Tensor, size: int) -> Tensor:
    """The inverse of `to_patches`."""
    patches = split(piece, 1, (-1, size, size))
    return patches.permute(0, 1, 4, 5, 3, 6, 2).flatten(5, 6).flatten(3, 4)


def to_channels(piece: Tensor, stride: tuple[int, int, int]) -> Tensor:
    """`[B, C, F, H, W]` as `[B, C*t*h*w, F/t, H/h, W/w]`."""
    parts = piece
    for axis, step in ((4, stride[2]), (3, stride[1]), (2, stride[0])):
        parts = split(parts, axis, (-1, step))
    return parts.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)


def from_channels(piece: Tensor, stride: tuple[int, int, int]) -> Tensor:
    """The inverse of `to_channels`."""
    parts = split(piece, 1, (-1, *stride))
    return parts.permute(0, 1, 5, 2, 6, 3, 7, 4).flatten(6, 7).flatten(4, 5).flatten(2, 3)


def split(values: Tensor, axis: int, sizes: tuple[int, ...]) -> Tensor:
    """`values` with `sizes` in place of one axis; one of them may be -1."""
    return values.reshape(*values.shape[:axis], *sizes, *values.shape[axis + 1 :])


def joined(pieces: list[Tensor | None] | list[Tensor], axis: int) -> Tensor:
    """Those of `pieces` that are there, one behind the other."""
    there = [piece for piece in pieces if piece is not None]
    return there[0] if len(there) == 1 else torch.cat(there, axis)


def _rest(held: Tensor, start: int, axis: int) -> Tensor:
    """What follows `start`, in memory of its own."""
    return held.narrow(axis, start, held.shape[axis] - start).clone()
