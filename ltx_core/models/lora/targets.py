"""Which layers the targets of a LoRA mean, by name alone: a config is checked before a model is loaded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

from ltx_core.models.info import ModelError
from ltx_core.models.names import BOTH, runs_with, to_diffusers, to_original

WEIGHT = ".weight"


def linear_names(shapes: Mapping[str, Sequence[int]]) -> list[str]:
    """Names of the linear layers among a transformer's weights."""
    return [
        name.removesuffix(WEIGHT)
        for name, shape in shapes.items()
        if name.endswith(WEIGHT) and len(shape) == 2
    ]


def match_targets(
    linear: Collection[str], targets: Collection[str], modalities: Collection[str] = BOTH
) -> list[str]:
    """Those of the linear layers that `targets` mean and that run with `modalities`.

    Raises:
        ModelError: when a target matches none of them, whether or not there are layers of another modality:
            what a config means does not depend on what is loaded beside.
    """
    running = [name for name in linear if runs_with(name, modalities)]
    found: set[str] = set()
    for target in targets:
        wanted = to_diffusers(target)
        matches = {name for name in running if name == wanted or name.endswith("." + wanted)}
        if not matches:
            raise ModelError(_no_match(target, running, modalities))
        found |= matches
    return sorted(found)


def _no_match(target: str, running: Collection[str], modalities: Collection[str]) -> str:
    """Why a target is refused, with the names nearest to it."""
    parts = [to_original(name).split(".") for name in running]
    ends = {".".join(p[-depth:]) for p in parts for depth in (1, 2, 3) if not p[-depth:][0].isdigit()}
    near = get_close_matches(to_original(target), sorted(ends), n=3, cutoff=0.5) or ["to_k", "to_out.0"]
    which = "" if len(modalities) > 1 else f" that runs with {' and '.join(modalities)} alone"
    return (
        f"lora.target_modules: {target!r} matches no linear layer of the transformer{which}; use the name of "
        f"a layer or its end: {', '.join(near)}"
    )
