"""Content of several holding conditions as one clean target; the order of the conditions never matters."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from ltx_core.errors import LtxError

SAME_ABSOLUTE, SAME_RELATIVE = 0.02, 0.01
"""Latents of one picture that was encoded twice, alone and within a clip, differ by less: the rounding of
bfloat16 is 0.004 of a value. Other pictures differ by about 1, the spread of normalised latents."""


class Piece(NamedTuple):
    """What one condition holds of a sample.

    Attributes:
        name: what a person calls it: `prefix of clip.mp4`.
        hold: `[N]` in [0, 1]; its content counts where this is above 0.
        tokens: `[N, C]` its content; any value where it holds nothing.
    """

    name: str
    hold: Tensor
    tokens: Tensor


def compose(clean: Tensor, pieces: Iterable[tuple[str, Tensor, Tensor]]) -> Tensor:
    """`clean` `[N, C]` with the content of every piece where it holds.

    Raises:
        LtxError: when two pieces have different content on one token.
    """
    found = [Piece(*piece) for piece in pieces]
    for one, other in combinations(found, 2):
        _refuse_conflict(one, other)
    # Equal up to rounding where they overlap: the maximum is the same in any order.
    lowest = torch.full_like(clean, -torch.inf)
    content = lowest
    for piece in found:
        held = (piece.hold > 0)[:, None]
        content = torch.maximum(content, torch.where(held, piece.tokens.to(clean), lowest))
    return torch.where(content == -torch.inf, clean, content)


def _refuse_conflict(one: Piece, other: Piece) -> None:
    both = (one.hold > 0) & (other.hold > 0)
    first, second = one.tokens[both].float(), other.tokens[both].float()
    limit = SAME_ABSOLUTE + SAME_RELATIVE * torch.maximum(first.abs(), second.abs())
    # Not "above the limit": a value that is no number is no equal content either.
    different = int((~((first - second).abs() <= limit)).any(1).sum())
    if different:
        names = " and ".join(sorted((one.name, other.name)))
        raise LtxError(
            f"{names} have different content on {different} of the same tokens, so what is held there is not "
            "defined; remove one of them, or let them hold different parts"
        )
