"""Adapters of each kind put into a transformer by peft, and their parameters by name.

Design choices
- Adapters are float32 whatever the base's type.
- The scale of each adapter is what its own rank and alpha say; files hold it within a factor (`write.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ltx_core.models.lora.targets import Size
from ltx_core.models.names import is_adapter
from ltx_core.models.options import LoraOptions

ADAPTER = "default"
"""Name of the adapter inside peft."""


@dataclass(frozen=True)
class Adapted:
    """A layer with an adapter.

    Attributes:
        name: of the layer.
        layer: peft's, around the base's.
        size: rank, scale and alpha.
    """

    name: str
    layer: Any
    size: Size


def inject(transformer: Any, options: LoraOptions, sizes: Mapping[str, Size]) -> None:
    """Add float32 adapters to the named layers; the global random state stays as it was.

    Args:
        transformer: the frozen transformer.
        options: kind and what belongs to it, dropout.
        sizes: rank and alpha of each layer.
    """
    with torch.random.fork_rng(devices=[]):
        transformer.add_adapter(_settings(options, sizes), ADAPTER)
    for adapted in adapted_layers(transformer):
        if options.kind == "lokr":
            from ltx_core.models.lora import kronecker

            kronecker.adopt(adapted.layer, options.dropout)
        elif options.use_dora:
            from ltx_core.models.lora import dora

            dora.adopt(adapted.layer, ADAPTER)
    for parameter in parameters(transformer).values():
        parameter.data = parameter.data.float()


def parameters(transformer: nn.Module) -> dict[str, nn.Parameter]:
    """The adapters' parameters by `<module>.lora_A.weight` or `<module>.lokr_w1`, sorted."""
    found = {}
    for name, parameter in transformer.named_parameters():
        parts = name.split(".")
        if is_adapter(name) and ADAPTER in parts:
            found[".".join(part for part in parts if part != ADAPTER)] = parameter
    return dict(sorted(found.items()))


def adapted_layers(transformer: nn.Module) -> Iterator[Adapted]:
    """Every layer with an adapter, in the model's order."""
    from peft.tuners.lycoris_utils import LycorisLayer
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, layer in transformer.named_modules():
        if isinstance(layer, BaseTunerLayer):
            lycoris = isinstance(layer, LycorisLayer)
            alpha = float((layer.alpha if lycoris else layer.lora_alpha)[ADAPTER])
            rank = int(layer.r[ADAPTER])
            rooted = not lycoris and layer.use_rslora[ADAPTER]
            yield Adapted(name, layer, Size(rank, alpha / (rank**0.5 if rooted else rank), alpha))


def linear_layers(modules: Mapping[str, nn.Module]) -> list[str]:
    """Names of the linear layers, whether or not an adapter is around them."""
    return [
        name.removesuffix(".base_layer")
        for name, module in modules.items()
        if isinstance(module, nn.Linear) and not is_adapter(name)
    ]


def _settings(options: LoraOptions, sizes: Mapping[str, Size]) -> Any:
    """peft's settings, with a pattern for each layer that is not as the most demanding one."""
    from peft import LoKrConfig, LoraConfig

    rank = max(size.rank for size in sizes.values())
    shared = {
        "r": rank,
        "target_modules": sorted(sizes),
        "rank_pattern": _patterns({name: size.rank for name, size in sizes.items()}, rank),
        "alpha_pattern": _patterns({name: size.alpha for name, size in sizes.items()}, options.alpha),
    }
    if options.kind == "lokr":
        return LoKrConfig(
            alpha=options.alpha,
            decompose_factor=options.decompose_factor,
            decompose_both=options.decompose_both,
            **shared,
        )
    return LoraConfig(
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        use_rslora=options.use_rslora,
        use_dora=options.use_dora,
        **shared,
    )


def _patterns(values: Mapping[str, float], default: float) -> dict[str, float]:
    """peft's patterns: one for each value that is not the default, of whole names.

    Not one for each layer: peft tries them all on every layer.
    """
    names: dict[float, list[str]] = {}
    for name, value in values.items():
        if value != default:
            names.setdefault(value, []).append(re.escape(name))
    return {f"^(?:{'|'.join(group)})": value for value, group in names.items()}
