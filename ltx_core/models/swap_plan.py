"""Which blocks are swapped, and what that leaves on the device. No torch here: planning uses it too."""

from __future__ import annotations

from collections.abc import Sequence

AT_ONCE = 2
"""Swapped blocks on the device at a time: the one that runs and the one that is being fetched."""


def swapped_blocks(total: int, count: int) -> tuple[int, ...]:
    """Indices of `count` of `total` blocks, evenly spread: what lies between hides the next one's way.

    Raises:
        ValueError: when count is negative or there are not so many blocks.
    """
    if not 0 <= count <= total:
        raise ValueError(f"{count} blocks cannot be swapped, the transformer has {total}; use 0 to {total}")
    return tuple((2 * number + 1) * total // (2 * count) for number in range(count))


def resident_bytes(blocks: Sequence[int], count: int) -> int:
    """Bytes of the blocks' frozen weights that are on the device at once while `count` are swapped.

    Args:
        blocks: bytes of each block's frozen weights, without adapters.
        count: as for `swapped_blocks`.
    """
    chosen = swapped_blocks(len(blocks), count)
    stay = sum(size for index, size in enumerate(blocks) if index not in chosen)
    passing = [sum(blocks[i] for i in chosen[at : at + AT_ONCE]) for at in range(len(chosen))]
    return stay + max(passing, default=0)
