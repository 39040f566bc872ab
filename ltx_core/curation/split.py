"""The held-out split: by a hash of the source, so that clips of one source never straddle.

Where that would leave one side empty (one film, few films), each source gives its last scenes, as one
contiguous block with a gap of one clip, so that neighbours in time are not on both sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal, cast, get_args

from ltx_core.errors import LtxError

Split = Literal["train", "heldout", "gap"]


def split_by_source(
    clips: Sequence[tuple[str, str]], fraction: float, seed: int, own: Mapping[str, str] | None = None
) -> dict[str, Split]:
    """Split of each clip: "train", "heldout" or "gap".

    Args:
        clips: (clip id, source) in order of source and time.
        fraction: wanted share of held-out sources.
        seed: of the hash.
        own: splits that the dataset file states; they win.
    """
    given: dict[str, Split] = {clip: _stated(name) for clip, name in (own or {}).items() if name}
    free = [(clip, source) for clip, source in clips if clip not in given]
    splits: dict[str, Split] = {
        clip: "heldout" if _hash(source, seed) < fraction else "train" for clip, source in free
    }
    sides = set(splits.values()) | set(given.values())
    if not {"train", "heldout"} <= sides:
        splits = _blocks(free, fraction)
    return {clip: given.get(clip) or splits[clip] for clip, _ in clips}


def _stated(name: str) -> Split:
    aliases = {"val": "heldout", "validation": "heldout", "test": "heldout", "held-out": "heldout"}
    found = aliases.get(name.strip().lower(), name.strip().lower())
    for split in get_args(Split):
        if found == split:
            return cast(Split, split)
    raise LtxError(f"split {name!r} in the dataset file is unknown; write train or heldout")


def _blocks(clips: Sequence[tuple[str, str]], fraction: float) -> dict[str, Split]:
    by_source: dict[str, list[str]] = {}
    for clip, source in clips:
        by_source.setdefault(source, []).append(clip)
    splits: dict[str, Split] = {}
    for members in by_source.values():
        held = min(round(fraction * len(members)), len(members) - 1) if len(members) > 2 else 0
        gap = 1 if held and len(members) - held > 2 else 0
        first = len(members) - held
        for position, clip in enumerate(members):
            held_out, in_gap = position >= first, position >= first - gap
            splits[clip] = "heldout" if held_out else "gap" if in_gap else "train"
    if "heldout" not in splits.values() and len(clips) > 1:
        splits[clips[-1][0]] = "heldout"
    return splits


def _hash(source: str, seed: int) -> float:
    data = hashlib.sha256(f"{seed}:{source}".encode()).digest()
    return int.from_bytes(data[:8], "big") / 2**64
