"""Adapters on the transformer: add, save, load, go on, switch off.

Design choices
- Adapters are float32 whatever the base's type, and drawn from their own seed: the same (seed, modules)
  gives the same weights on every device, and the global random state stays as it was.
- A saved file has the original layout's names with the prefix `diffusion_model.`, which ComfyUI and
  `LTX2Pipeline.load_lora_weights` both read (`write.py`). alpha / rank is multiplied into B, because neither
  reads an alpha from such a file: `.alpha` keys are refused by the pipeline, and `lora_adapter_metadata`
  would be applied on top. The numbers stand in the metadata for continued training.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ltx_core.models.errors import ModelError
from ltx_core.models.lora.file import LoraFile, read_lora
from ltx_core.models.lora.inject import ADAPTER, adapted_layers, inject, linear_layers, parameters
from ltx_core.models.lora.layout import MARK
from ltx_core.models.lora.shapes import LORA_A, LORA_B, MAGNITUDE
from ltx_core.models.lora.targets import Size, match_targets, plan_adapters
from ltx_core.models.lora.write import entries, facts
from ltx_core.models.names import BOTH, modality_of
from ltx_core.models.options import LoraOptions
from ltx_core.store.tensors import save_tensors

logger = logging.getLogger(__name__)

ZERO = (LORA_B, "lokr_w1", "lokr_w1_a")
"""Ends of the names of weights that are 0 at the start, so that an adapter changes nothing."""


def add_lora(
    transformer: Any,
    options: LoraOptions,
    seed: int,
    modalities: Collection[str] = BOTH,
    frozen: Collection[str] = (),
) -> list[nn.Parameter]:
    """Add trainable adapters; with them the transformer computes what it computed before.

    Args:
        transformer: the frozen transformer.
        options: kind, rank, alpha, dropout and target modules.
        seed: of the adapters' first weights.
        modalities: streams that will run; modules that would never run get no adapter.
        frozen: modalities whose layers get none either.

    Returns:
        The trainable parameters, in a fixed order.

    Raises:
        ModelError: when a target or pattern matches no linear layer that may learn.
    """
    linear = linear_layers(dict(transformer.named_modules()))
    inject(transformer, options, plan_adapters(linear, options, modalities, frozen))
    draw = torch.Generator().manual_seed(seed)
    found = parameters(transformer)
    with torch.no_grad():
        for name, parameter in found.items():
            if name.endswith(ZERO):
                parameter.zero_()
            elif not name.endswith(MAGNITUDE):  # lengths are the base's
                bound = 1 / math.sqrt(parameter.shape[1])
                parameter.copy_((torch.rand(parameter.shape, generator=draw) * 2 - 1) * bound)
    return list(found.values())


def find_targets(
    transformer: nn.Module, targets: Collection[str], modalities: Collection[str] = BOTH
) -> list[str]:
    """Names of the linear layers that `targets` mean and that run with `modalities`.

    Raises:
        ModelError: when a target matches none of them, whether or not the model holds the layers of another
            modality: what a config means does not depend on what is loaded beside.
    """
    return match_targets(linear_layers(dict(transformer.named_modules())), targets, modalities)


def lora_state(transformer: nn.Module) -> dict[str, Tensor]:
    """Copies of the adapters' weights on the CPU, exact, for a checkpoint; alpha is not within them."""
    return {name: p.detach().to("cpu", copy=True) for name, p in parameters(transformer).items()}


@torch.no_grad()
def load_lora_state(transformer: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put the weights of `lora_state` back into adapters of the same kind, rank and targets, exactly.

    Raises:
        ModelError: when modules or shapes differ.
    """
    own = parameters(transformer)
    different = sorted(own.keys() ^ state.keys()) or sorted(
        name for name in state if state[name].shape != own[name].shape
    )
    if different:
        raise ModelError(
            f"the saved LoRA does not fit this one: {len(different)} weights differ in name or shape, "
            f"such as {different[0]}; use the lora.rank and lora.target_modules that it was made with"
        )
    for name, parameter in own.items():
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
    file, rank = _as_file(transformer, metadata)
    save_tensors(path, entries(file, dtype), {**facts(file, rank), MARK: "true"})


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
    file = read_lora(path, linear or linear_layers(modules))
    loaded = {modality_of(name) for name, _ in transformer.named_parameters()}
    names = [name for name in file.modules if modality_of(name) in loaded]
    if not names:
        raise ModelError(
            f"{path} changes no layer that runs with {' and '.join(sorted(loaded))} alone; use it for a "
            "sample with the modalities that it was trained for"
        )
    for name in names:
        weight = getattr(modules.get(name), "weight", None)
        if weight is None or tuple(weight.shape) != file.size(name):
            found = "does not exist" if weight is None else f"is {tuple(weight.shape)}"
            raise ModelError(
                f"{path} does not fit this model: {name} {found}, the LoRA is for "
                f"{file.size(name)}; use the base model that the LoRA was made for"
            )
    _put_in(transformer, file, names)
    for parameter in parameters(transformer).values():
        parameter.requires_grad_(False)
    return file


def continue_lora(transformer: Any, path: Path) -> LoraFile:
    """Put the weights of a file into the adapters that `add_lora` made, to train on from there.

    Of a file that states no alpha B is taken as it is, as the public trainer does, which writes B without
    alpha / rank and expects the same alpha again.

    Raises:
        ModelError: when the file cannot be read or has other modules or another rank.
    """
    file = read_lora(path, linear_layers(dict(transformer.named_modules())))
    scales = {adapted.name: adapted.size.scale for adapted in adapted_layers(transformer)}
    if not file.stated and any(scale != 1 for scale in scales.values()):
        logger.warning(
            "%s does not say whether alpha / rank is within its weights; taken as without, so its effect is "
            "%g times that of the file as pipelines read it",
            path,
            next(scale for scale in scales.values() if scale != 1),
        )
    state: dict[str, Tensor] = {}
    for module in file.modules:
        scale = scales.get(module, 1.0) if file.stated else 1.0
        for name, tensor in file.state(module).items():
            state[name] = tensor / scale if name.endswith(ZERO) else tensor
    load_lora_state(transformer, state)
    return file


@contextmanager
def lora_off(transformer: Any) -> Iterator[None]:
    """Inside the block the transformer computes what its base computes, bit for bit."""
    trainable = {name: p.requires_grad for name, p in parameters(transformer).items()}
    transformer.disable_adapters()
    try:
        yield
    finally:
        transformer.enable_adapters()
        for name, parameter in parameters(transformer).items():
            parameter.requires_grad_(trainable[name])


def _as_file(transformer: Any, metadata: Mapping[str, str]) -> tuple[LoraFile, int]:
    """The adapters as a file holds them, their scale within; and the rank that the options stated."""
    file, state = LoraFile({}, dict(metadata)), lora_state(transformer)
    ranks = []
    for adapted in sorted(adapted_layers(transformer), key=lambda found: found.name):
        name, size = adapted.name, adapted.size
        start = f"{name}."
        parts = {
            key.removeprefix(start): tensor * size.scale if key.endswith(ZERO) else tensor
            for key, tensor in state.items()
            if key.startswith(start)
        }
        if LORA_A in parts:
            file.weights[name] = (parts[LORA_A], parts[LORA_B])
        else:
            file.factors[name] = parts
        if MAGNITUDE in parts:
            file.lengths[name] = parts[MAGNITUDE]
        ranks.append(size.rank)
        file.alphas[name] = size.scale * size.rank
    return replace(file, options=_made_as(transformer)), max(ranks, key=ranks.count)


def _made_as(transformer: Any) -> dict[str, Any]:
    """What peft's settings say of the adapters that is not plain LoRA."""
    settings = transformer.peft_config[ADAPTER]
    if settings.peft_type.value == "LOKR":
        named = ("decompose_factor", "decompose_both")
        return {"kind": "lokr", **{name: getattr(settings, name) for name in named}}
    return {name: True for name in ("use_rslora", "use_dora") if getattr(settings, name)}


def _put_in(transformer: Any, file: LoraFile, names: Sequence[str]) -> None:
    """Adapters of a file's sizes with its weights, of scale 1."""
    if file.factors:
        from ltx_core.models.lora import kronecker

        # Any size of theirs: they are exchanged for those of the file.
        inject(transformer, LoraOptions(kind="lokr"), {name: Size(1, 1.0, 1.0) for name in names})
        for adapted in adapted_layers(transformer):
            kronecker.put_factors(adapted.layer, ADAPTER, file.factors[adapted.name])
        return
    sizes = {name: Size(file.rank(name), 1.0, float(file.rank(name))) for name in names}
    inject(transformer, LoraOptions(use_dora=bool(file.lengths)), sizes)
    load_lora_state(transformer, {key: x for name in names for key, x in file.state(name).items()})
