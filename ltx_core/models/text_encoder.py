"""The bare language model of a text encoder: no head, no tower for pictures or sound is made or read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ltx_core.models.component import Component, Stored
from ltx_core.models.errors import GET_ONE, ModelError
from ltx_core.models.loading import first_line, load_component, quiet
from ltx_core.models.quantise.layers import Quantiser

PREFIXES = ("model.language_model.", "language_model.model.", "language_model.", "model.")
"""What stands before the language model's names, by the version of transformers that saved it."""
LEFT_OUT = ("vision", "audio", "multi_modal", "lm_head", "embed_vision", "embed_audio")
"""Beginnings of the names of towers, projectors and heads, after `model.` is taken off."""


def load_language_model(
    component: Component,
    device: torch.device | str,
    dtype: torch.dtype,
    quantiser: Quantiser | None = None,
) -> Any:
    """The language model of a text encoder as a frozen module whose hidden states are taken.

    Raises:
        ModelError: when it is damaged, or of a kind that the installed transformers does not know.
    """
    text = _text_config(component)

    def build() -> nn.Module:
        from transformers import AutoModel

        found: nn.Module = AutoModel.from_config(text)
        return found

    named = replace(component, list_weights=lambda: language_weights(component.weights))
    return load_component(named, build, device, dtype, quantiser=quantiser)


def language_weights(weights: Mapping[str, Stored]) -> dict[str, Stored]:
    """A text encoder's weights by the names of its bare language model; those of other parts are left out."""
    found = {}
    for name, stored in weights.items():
        prefix = next((known for known in PREFIXES if name.startswith(known)), "")
        bare = name.removeprefix(prefix)
        if not bare.startswith(LEFT_OUT):
            found[bare] = stored
    return found


def _text_config(component: Component) -> Any:
    import transformers

    config = component.config
    try:
        with quiet():
            whole = transformers.AutoConfig.for_model(**config)
            return whole.get_text_config()
    except (ValueError, KeyError, TypeError) as error:
        kind = config.get("model_type")
        raise ModelError(
            f"{component.place} is a {kind!r} text encoder that transformers {transformers.__version__} "
            f"cannot build ({first_line(error)}). {GET_ONE}"
        ) from error
