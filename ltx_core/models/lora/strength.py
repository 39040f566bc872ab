"""How strongly a LoRA acts: 1 as it was trained, 0 the base model, between and beyond in proportion."""

from __future__ import annotations

from typing import Any

from ltx_core.models.lora.inject import ADAPTER, adapted_layers


def set_strength(transformer: Any, strength: float) -> None:
    """Multiply what the adapters add by `strength`; calls do not add up.

    Of a DoRA it is the whole change, learned lengths included.
    """
    for adapted in adapted_layers(transformer):
        lengths = getattr(adapted.layer, "lora_magnitude_vector", {})
        if ADAPTER in lengths:
            lengths[ADAPTER].strength = strength
        else:
            adapted.layer.set_scale(ADAPTER, strength)
