"""How strongly a LoRA acts: 1 as it was trained, 0 the base model, between and beyond in proportion."""

from __future__ import annotations

from typing import Any

from ltx_core.models.lora.adapters import ADAPTER


def set_strength(transformer: Any, strength: float) -> None:
    """Multiply what the LoRA adds by `strength`; calls do not add up."""
    from peft.tuners.lora import LoraLayer

    for module in transformer.modules():
        if isinstance(module, LoraLayer):
            module.set_scale(ADAPTER, strength)
