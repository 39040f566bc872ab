"""LoRA adapters on the transformer: add, save, load.

Design choices
- Adapters are float32 whatever the base's type, and drawn from their own seed: the same (seed, modules)
  gives the same weights on every device, and the global random state stays as it was.
- A saved file has the original layout's names with the prefix `diffusion_model.`, which ComfyUI and
  `LTX2Pipeline.load_lora_weights` both read. alpha / rank is multiplied into B, because neither reads an
  alpha from such a file: `.alpha` keys are refused by the pipeline, and `lora_adapter_metadata` would be
  applied on top. The numbers stand in the metadata for continued training.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ltx_core.models.errors import ModelError
from ltx_core.models.lora.file import LoraFile, read_lora
from ltx_core.models.lora.layout import MARK, PREFIX
from ltx_core.models.lora.targets import match_targets
from ltx_core.models.names import BOTH, modality_of, to_original
from ltx_core.models.options import LoraOptions
from ltx_core.store.tensors import Entry, save_tensors

logger = logging.getLogger(__name__)

ADAPTER = "default"
"""Name of the adapter inside peft."""


def add_lora(
    transformer: Any, options: LoraOptions, seed: int, modalities: Collection[str] = BOTH
) -> list[nn.Parameter]:
    """Add trainable adapters; with them the transformer computes what it computed before.

    Args:
        transformer: the frozen transformer.
        options: rank, alpha, dropout and target modules.
        seed: of the adapters' first weights.
        modalities: streams that will run; modules that would never run get no adapter.

    Returns:
        The trainable parameters, in a fixed order.

    Raises:
        ModelError: when a target matches no linear layer.
    """
    targets = find_targets(transformer, options.target_modules, modalities)
    _inject(transformer, {name: options.rank for name in targets}, options.alpha, options.dropout)
    draw = torch.Generator().manual_seed(seed)
    parameters = _parameters(transformer)
    with torch.no_grad():
        for name, parameter in parameters.items():
            if name.endswith("lora_A.weight"):
                bound = 1 / math.sqrt(parameter.shape[1])
                parameter.copy_((torch.rand(parameter.shape, generator=draw) * 2 - 1) * bound)
            else:
                parameter.zero_()
    return list(parameters.values())


def find_targets(
    transformer: nn.Module, targets: Collection[str], modalities: Collection[str] = BOTH
) -> list[str]:
    """Names of the linear layers that `targets` mean and that run with `modalities`.

    Raises:
        ModelError: when a target matches none of them, whether or not the model holds the layers of another
            modality: what a config means does not depend on what is loaded beside.
    """
    return match_targets(_linear(dict(transformer.named_modules())), targets, modalities)


def lora_state(transformer: nn.Module) -> dict[str, Tensor]:
    """Copies of the adapters' weights on the CPU, exact, for a checkpoint; alpha is not within them."""
    return {name: p.detach().to("cpu", copy=True) for name, p in _parameters(transformer).items()}


@torch.no_grad()
def load_lora_state(transformer: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put the weights of `lora_state` back into adapters of the same rank and targets, exactly.

    Raises:
        ModelError: when modules or shapes differ.
    """
    parameters = _parameters(transformer)
    different = sorted(parameters.keys() ^ state.keys()) or sorted(
        name for name in state if state[name].shape != parameters[name].shape
    )
    if different:
        raise ModelError(
            f"the saved LoRA does not fit this one: {len(different)} weights differ in name or shape, "
            f"such as {different[0]}; use the lora.rank and lora.target_modules that it was made with"
        )
    for name, parameter in parameters.items():
        parameter.copy_(state[name])


def save_lora(
    path: Path, transformer: Any, metadata: Mapping[str, str], dtype: torch.dtype = torch.float32
) -> None:
    """Write the adapters as one safetensors file, whole or not at all.

    Args:
        path: the file.
        transformer: with adapters.
        metadata: strings for the header; `rank` and `alpha` are added.
        dtype: of the weights in the file.

    Raises:
        StoreError: when the disk is full, read-only or not permitted.
    """
    config = transformer.peft_config[ADAPTER]
    scale = config.lora_alpha / config.r
    entries = []
    for name, tensor in lora_state(transformer).items():
        module, kind = name.split(".lora_")
        scaled = tensor * scale if kind[0] == "B" else tensor
        entries.append(Entry.of(f"{PREFIX}{to_original(module)}.lora_{kind}", scaled, dtype))
    facts = {**metadata, "format": "pt", "rank": str(config.r), "alpha": f"{config.lora_alpha:g}"}
    save_tensors(path, entries, {**facts, MARK: "true"})


@torch.no_grad()
def load_lora(transformer: Any, path: Path, linear: Sequence[str] = ()) -> LoraFile:
    """Add the adapters of a file to a transformer without any, as they are; frozen.

    Those of a modality that the transformer was loaded without are left out: they would never run.

    Args:
        transformer: the frozen transformer.
        path: the file.
        linear: names of the whole model's linear layers, where the transformer lacks a modality; a file whose
            names have underscores cannot be read without.

    Raises:
        ModelError: when the file cannot be read or does not fit the transformer.
    """
    modules = dict(transformer.named_modules())
    file = read_lora(path, linear or _linear(modules))
    loaded = {modality_of(name) for name, _ in transformer.named_parameters()}
    weights = {name: pair for name, pair in file.weights.items() if modality_of(name) in loaded}
    if not weights:
        raise ModelError(
            f"{path} changes no layer that runs with {' and '.join(sorted(loaded))} alone; use it for a "
            "sample with the modalities that it was trained for"
        )
    for name, (a, b) in weights.items():
        weight = getattr(modules.get(name), "weight", None)
        if weight is None or tuple(weight.shape) != (b.shape[0], a.shape[1]):
            found = "does not exist" if weight is None else f"is {tuple(weight.shape)}"
            raise ModelError(
                f"{path} does not fit this model: {name} {found}, the LoRA is for "
                f"{(b.shape[0], a.shape[1])}; use the base model that the LoRA was made for"
            )
    _inject(transformer, {name: len(a) for name, (a, _) in weights.items()}, None, 0.0)
    state = {}
    for name, (a, b) in weights.items():
        state[f"{name}.lora_A.weight"], state[f"{name}.lora_B.weight"] = a, b
    load_lora_state(transformer, state)
    for parameter in _parameters(transformer).values():
        parameter.requires_grad_(False)
    return file


def continue_lora(transformer: Any, path: Path) -> LoraFile:
    """Put the weights of a file into the adapters that `add_lora` made, to train on from there.

    Of a file that states no alpha B is taken as it is, as the public trainer does, which writes B without
    alpha / rank and expects the same alpha again.

    Raises:
        ModelError: when the file cannot be read or has other modules or another rank.
    """
    file = read_lora(path, _linear(dict(transformer.named_modules())))
    config = transformer.peft_config[ADAPTER]
    scale = config.lora_alpha / config.r if file.stated else 1.0
    if not file.stated and config.lora_alpha != config.r:
        logger.warning(
            "%s does not say whether alpha / rank is within its weights; taken as without, so its effect is "
            "%g times that of the file as pipelines read it",
            path,
            config.lora_alpha / config.r,
        )
    state = {}
    for name, (a, b) in file.weights.items():
        state[f"{name}.lora_A.weight"], state[f"{name}.lora_B.weight"] = a, b / scale
    load_lora_state(transformer, state)
    return file


@contextmanager
def lora_off(transformer: Any) -> Iterator[None]:
    """Inside the block the transformer computes what its base computes, bit for bit."""
    trainable = {name: p.requires_grad for name, p in _parameters(transformer).items()}
    transformer.disable_adapters()
    try:
        yield
    finally:
        transformer.enable_adapters()
        for name, parameter in _parameters(transformer).items():
            parameter.requires_grad_(trainable[name])


def _linear(modules: Mapping[str, nn.Module]) -> list[str]:
    """Names of the linear layers, whether or not an adapter is around them."""
    return [
        name.removesuffix(".base_layer")
        for name, module in modules.items()
        if isinstance(module, nn.Linear) and ".lora_" not in name
    ]


def _inject(transformer: Any, ranks: dict[str, int], alpha: float | None, dropout: float) -> None:
    """Add float32 adapters to the named modules; `alpha` None means each one's rank (scale 1)."""
    from peft import LoraConfig

    rank = max(ranks.values())
    config = LoraConfig(
        r=rank,
        lora_alpha=rank if alpha is None else alpha,
        lora_dropout=dropout,
        target_modules=sorted(ranks),
        rank_pattern={name: own for name, own in ranks.items() if own != rank},
        alpha_pattern={name: own for name, own in ranks.items() if own != rank and alpha is None},
    )
    with torch.random.fork_rng(devices=[]):
        transformer.add_adapter(config, ADAPTER)
    for parameter in _parameters(transformer).values():
        parameter.data = parameter.data.float()


def _parameters(transformer: nn.Module) -> dict[str, nn.Parameter]:
    """The adapters' parameters by `<module>.lora_A.weight`, sorted."""
    mark = f".{ADAPTER}.weight"
    named = ((name, p) for name, p in transformer.named_parameters() if ".lora_" in name)
    return dict(sorted((name.removesuffix(mark) + ".weight", p) for name, p in named if name.endswith(mark)))
