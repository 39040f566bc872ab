"""Which layers get an adapter and how large it is, by names alone: a config is checked before a model is
loaded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from ltx_core.models.info import ModelError
from ltx_core.models.names import BOTH, owner_of, runs_with, to_diffusers, to_original
from ltx_core.models.options import LoraOptions

WEIGHT = ".weight"
BLOCKS = "transformer_blocks"
WILD = frozenset("*?[")
"""Signs of a pattern, as in names of files."""


@dataclass(frozen=True)
class Size:
    """How large a layer's adapter is.

    Attributes:
        rank: of its factors.
        scale: what its output is multiplied by.
        alpha: as the options state it.
    """

    rank: int
    scale: float
    alpha: float


def linear_names(shapes: Mapping[str, Sequence[int]]) -> list[str]:
    """Names of the linear layers among a transformer's weights."""
    return [
        name.removesuffix(WEIGHT)
        for name, shape in shapes.items()
        if name.endswith(WEIGHT) and len(shape) == 2
    ]


def plan_adapters(
    linear: Collection[str],
    options: LoraOptions,
    modalities: Collection[str] = BOTH,
    frozen: Collection[str] = (),
) -> dict[str, Size]:
    """The adapted layers, sorted, and the size of each adapter.

    Args:
        linear: names of the transformer's linear layers.
        options: of the adapters.
        modalities: streams that run.
        frozen: modalities of which nothing shall learn.

    Raises:
        ModelError: when a target or a pattern means no layer that may learn, with the nearest names; or
            `layers` a block that is not there.
    """
    inside = _inside(linear, options)
    layers = str(options.layers or "")
    names = match_targets(inside, options.target_modules, modalities, frozen, layers)
    ranks = _by_pattern(names, options.rank_pattern, "rank_pattern")
    alphas = _by_pattern(names, options.alpha_pattern, "alpha_pattern")
    found = {}
    for name in names:
        rank, alpha = int(ranks.get(name, float(options.rank))), alphas.get(name, float(options.alpha))
        found[name] = Size(rank, options.scale(rank, alpha), alpha)
    return found


def match_targets(
    linear: Collection[str],
    targets: Collection[str],
    modalities: Collection[str] = BOTH,
    frozen: Collection[str] = (),
    layers: str = "",
) -> list[str]:
    """Those of the linear layers that `targets` mean, that run with `modalities` and are not frozen.

    Args:
        linear: names of linear layers.
        targets: whole names of layers, or ends of dotted names; `*` in one stands for anything.
        modalities: streams that run.
        frozen: modalities of which nothing shall learn.
        layers: for messages: the blocks that `linear` was taken from.

    Raises:
        ModelError: when a target matches none of them, whether or not there are layers of another modality:
            what a config means does not depend on what is loaded beside.
    """
    running = [name for name in linear if runs_with(name, modalities)]
    learning = [name for name in running if owner_of(name) not in frozen]
    found: set[str] = set()
    for target in targets:
        matches = _named(target, learning)
        if not matches and _named(target, running):
            raise ModelError(
                f"lora.target_modules: {target!r} means layers of {' and '.join(sorted(frozen))} alone, "
                "which optimization.frozen keeps as they are; leave one of the two out"
            )
        if not matches:
            raise ModelError(_no_match(target, running, modalities, layers))
        found |= matches
    return sorted(found)


def block_of(name: str) -> int | None:
    """The number of the block that a layer lies in; None outside of them."""
    first, _, rest = name.partition(".")
    return int(rest.partition(".")[0]) if first == BLOCKS else None


def _inside(linear: Collection[str], options: LoraOptions) -> Collection[str]:
    """The layers of the blocks that the options name."""
    wanted = options.blocks
    if wanted is None:
        return linear
    there = {block for block in map(block_of, linear) if block is not None}
    if missing := sorted(wanted - there):
        raise ModelError(
            f"lora.layers {options.layers}: block {missing[0]} is not there; the transformer has the blocks "
            f"0 to {max(there, default=-1)}"
        )
    return [name for name in linear if block_of(name) in wanted]


def _by_pattern(names: Collection[str], pattern: Mapping[str, float], field: str) -> dict[str, float]:
    """The value of each layer that a pattern names; of two names that fit the longer one counts."""
    found: dict[str, float] = {}
    for key in sorted(pattern, key=lambda key: (key.count("."), len(key))):
        matches = _named(key, names)
        if not matches:
            raise ModelError(
                f"lora.{field}: {key!r} matches none of the {len(names)} layers that get an adapter; use the "
                f"name of such a layer or its end: {', '.join(_near(key, names))}"
            )
        found |= dict.fromkeys(matches, pattern[key])
    return found


def _named(target: str, names: Collection[str]) -> set[str]:
    """The names that a target means: the whole of one, or the end of a dotted name, or a pattern of these."""
    wanted = to_diffusers(target)
    if not WILD & set(target):
        return {name for name in names if name == wanted or name.endswith("." + wanted)}
    # A part with a sign in it cannot be translated, so the names are.
    spellings = {name: (name, to_original(name)) for name in names}
    forms = [form for each in {target, wanted} for form in (each, f"*.{each}")]
    return {n for n, words in spellings.items() if any(fnmatchcase(w, f) for w in words for f in forms)}


def _near(target: str, names: Collection[str]) -> list[str]:
    """The ends of names that are nearest to a target, in the original naming."""
    parts = [to_original(name).split(".") for name in names]
    ends = {".".join(p[-depth:]) for p in parts for depth in (1, 2, 3) if not p[-depth:][0].isdigit()}
    return get_close_matches(to_original(target), sorted(ends), n=3, cutoff=0.5) or sorted(ends)[:3]


def _no_match(target: str, running: Collection[str], modalities: Collection[str], layers: str) -> str:
    """Why a target is refused, with the names nearest to it."""
    which = "" if len(modalities) > 1 else f" that runs with {' and '.join(modalities)} alone"
    where = f" in lora.layers {layers}" if layers else ""
    return (
        f"lora.target_modules: {target!r} matches no linear layer of the transformer{which}{where}; use the "
        f"name of a layer or its end: {', '.join(_near(target, running))}"
    )
