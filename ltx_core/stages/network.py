"""The base transformer of a config, and a trained LoRA on it."""

from __future__ import annotations

from pathlib import Path

from ltx_core.models.lora import load_lora
from ltx_core.models.ltx2 import load_transformer
from ltx_core.models.velocity import Velocity
from ltx_core.stages.context import Context


def open_velocity(context: Context, lora: Path | None = None) -> Velocity:
    """The frozen transformer, with the LoRA of a file where one is given.

    Raises:
        ModelError: when the model or the LoRA is missing or damaged, or they do not fit.
    """
    models = context.models
    models.release()
    model = load_transformer(context.info, models.device, models.dtype)
    model.requires_grad_(False)
    if lora is not None:
        load_lora(model, lora)
    return Velocity(model, context.config.optimization.enable_gradient_checkpointing)
