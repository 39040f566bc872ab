"""The transformer of a config: with what learns made trainable, or with a trained product, and its base."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ltx_core.models.aside import HOST
from ltx_core.models.attention import choose_attention
from ltx_core.models.compiling import compile_blocks
from ltx_core.models.component import Component
from ltx_core.models.families import family_of
from ltx_core.models.folder import folder_component
from ltx_core.models.full import load_full, save_full, swapped, train_all
from ltx_core.models.headers import weight_shapes
from ltx_core.models.lora.adapters import add_lora, continue_lora, load_lora, lora_off, save_lora
from ltx_core.models.lora.targets import linear_names
from ltx_core.models.quantise.layers import Quantiser
from ltx_core.models.quantise.methods import SKIP_TRANSFORMER
from ltx_core.models.sharding import shard_blocks
from ltx_core.models.swap import swap_blocks
from ltx_core.models.velocity import Velocity
from ltx_core.stages.context import Context
from ltx_core.stages.folder import is_full, product_of
from ltx_core.stages.modalities import needed_modalities
from ltx_core.stages.recompute import checkpointing_of
from ltx_core.stages.report import lora_metadata
from ltx_core.stages.warm import beginning_of
from ltx_core.training.checkpoint import Export
from ltx_core.training.processes import place


def open_velocity(
    context: Context, product: Path | None = None, modalities: Collection[str] | None = None
) -> Velocity:
    """The frozen transformer, with a trained product where one is given.

    Args:
        context: of the config.
        product: a LoRA's file, or the folder of a transformer that was trained whole; None: the base model.
        modalities: what is loaded; None: what training and samples of the config need.

    Raises:
        ModelError: when the model or the product is missing or damaged, or they do not fit.
    """
    velocity = _opened(context, product, modalities)
    _swap(context, velocity.model)
    return velocity


def _opened(context: Context, product: Path | None, modalities: Collection[str] | None) -> Velocity:
    """`open_velocity` before any weights of its blocks are swapped."""
    wanted = needed_modalities(context.config) if modalities is None else tuple(modalities)
    whole = product if product is not None and product.is_dir() else None
    model = _load(context, context.models.dtype, wanted, whole)
    velocity = _velocity(context, model)
    if product is None:
        return velocity
    if whole is not None:
        return replace(velocity, base=partial(swapped, model, _base(context), whole))
    load_lora(model, product, linear_names(weight_shapes(context.info, "transformer")))
    return replace(velocity, base=partial(lora_off, model))


def base_of(velocity: Velocity) -> AbstractContextManager[None]:
    """Inside the block `velocity` is that of the base model, bit for bit."""
    return velocity.base()


def open_training(context: Context) -> Velocity:
    """The transformer whose trainable weights are all that learns: adapters, or every weight of the mode.

    Raises:
        ModelError: when the model or `model.load_checkpoint` is missing or damaged, or they do not fit.
        ConfigError: when there is no such checkpoint.
    """
    config = context.config
    streams, begun = list(config.training_strategy.streams), beginning_of(context)
    if not is_full(config):
        velocity = _opened(context, None, None)
        add_lora(velocity.model, config.lora, config.seed, streams, config.optimization.frozen)
        if begun is not None:
            continue_lora(velocity.model, begun)
        _swap(context, velocity.model)
        _share(context, velocity.model)
        _compile(context, velocity.model)
        return replace(velocity, base=partial(lora_off, velocity.model))
    model = _load(context, torch.float32, needed_modalities(config))
    if begun is not None:
        load_full(model, begun)
    train_all(model, streams, config.optimization.frozen)
    _swap(context, model)
    _share(context, model)
    _compile(context, model)
    dtype = context.models.dtype
    computed = None if dtype == torch.float32 else dtype
    # Float32 weights of a norm on bfloat16 input: slower by a hair, and said once per process.
    warnings.filterwarnings("ignore", "Mismatch dtype between input and weight", UserWarning)
    return replace(_velocity(context, model), autocast=computed, base=_gone)


def exporter(context: Context, velocity: Velocity, dataset: str) -> Export:
    """What writes the product of the current weights into a checkpoint's folder.

    Args:
        context: of the config.
        velocity: of `open_training`.
        dataset: digest of the dataset, for the metadata.
    """
    config = context.config
    dtype = getattr(torch, config.checkpoints.precision)
    begun = beginning_of(context)
    origins: list[Path | Component] = [*([] if begun is None else [begun]), _base(context)]

    def export(folder: Path, step: int) -> None:
        target, metadata = product_of(config, folder), lora_metadata(context, step, dataset)
        if is_full(config):
            save_full(target, velocity.model, origins, {**metadata, "training_mode": "full"}, dtype)
        else:
            save_lora(target, velocity.model, metadata, dtype)

    return export


def _gone() -> AbstractContextManager[None]:
    raise RuntimeError("a transformer that is being trained whole no longer has its base's weights")


def _load(
    context: Context, dtype: torch.dtype, modalities: Collection[str], whole: Path | None = None
) -> Any:
    """The frozen transformer in `dtype`, quantised where the config says so; alone on the device.

    That of a product's folder, which was trained whole, stays exact.
    """
    models = context.models
    models.release()
    checkpointing_of(context)  # asks for the memory that is free before the weights are there
    component = None if whole is None else folder_component("transformer", whole)
    method = context.config.acceleration.base_method if whole is None else None
    quantiser = Quantiser.of(method, SKIP_TRANSFORMER)
    load = family_of(context.info).load_transformer
    waits = context.config.acceleration.blocks_to_swap or _shares(context)
    device = HOST if waits else models.device
    return load(context.info, device, dtype, modalities, component, quantiser)


def _swap(context: Context, model: Any) -> None:
    """Bring a transformer that lies on the host to its device, but for the weights of the swapped blocks."""
    count = context.config.acceleration.blocks_to_swap
    if count:
        swap_blocks(model, count, context.models.device)


def _shares(context: Context) -> bool:
    """Whether this process is one of several that each hold a part of the weights."""
    return context.config.acceleration.distribution == "fsdp" and place().world > 1


def _share(context: Context, model: Any) -> None:
    """Share the weights of a transformer that lies on the host out among the processes of a training."""
    if _shares(context):
        shard_blocks(model, context.models.device, adapters=not is_full(context.config))


def _compile(context: Context, model: Any) -> None:
    options = context.config.acceleration
    if options.compile:
        compile_blocks(model, mode=options.compile_mode)


def _velocity(context: Context, model: Any) -> Velocity:
    """The pass over a transformer that has just been opened."""
    context.models.opened(model)
    models, wanted = context.models, context.config.acceleration.attention
    choose_attention(model, wanted, models.device, models.dtype)
    return Velocity(
        model,
        checkpointing_of(context),
        forward=family_of(context.info).forward,
        wake=context.models.wake,
    )


def _base(context: Context) -> Component:
    return context.info.part("transformer")
