"""The file of a LoRA: safetensors with string metadata.

Written in the original or diffusers' layout (`export/lora.py`); read in every layout of `lora/layout.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ltx_core.models.errors import ModelError
from ltx_core.models.lora.layout import LoraLayout, read_layout


@dataclass(frozen=True)
class LoraFile:
    """A LoRA as it was saved.

    Attributes:
        weights: by diffusers module name, float32: A `[rank, in]` and B `[out, rank]`, alpha / rank within B
            where the file states alpha.
        metadata: the file's strings.
        alphas: alpha by module where the file states it.
        dtype: of the weights in the file.
    """

    weights: dict[str, tuple[Tensor, Tensor]]
    metadata: dict[str, str]
    alphas: dict[str, float] = field(default_factory=dict)
    dtype: torch.dtype = torch.float32

    @property
    def stated(self) -> bool:
        """Whether the file says how strong it is; if not, its B may lack alpha / rank."""
        return self.alphas.keys() == self.weights.keys()


def read_lora(path: Path, linear: Sequence[str] = ()) -> LoraFile:
    """Read a LoRA file.

    Args:
        path: the file.
        linear: names of the base model's linear layers; needed where the file's names have underscores.

    Raises:
        ModelError: when it is missing, damaged, or holds anything but pairs of two factors.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = dict(file.metadata() or {})
            layout = read_layout(path, file.keys(), metadata, linear)
            return _read(file, layout, metadata)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read as a LoRA ({error}); give a .safetensors file") from error


def _read(file: Any, layout: LoraLayout, metadata: dict[str, str]) -> LoraFile:
    weights, alphas, types = {}, {}, set()
    for module, keys in layout.pairs.items():
        a, b = file.get_tensor(keys["a"]), file.get_tensor(keys["b"])
        types |= {a.dtype, b.dtype}
        rank = len(a)
        alpha = float(file.get_tensor(keys["alpha"])) if "alpha" in keys else layout.alpha(module, rank)
        weights[module] = (a.float(), b.float() if alpha in (None, rank) else b.float() * (alpha / rank))
        if alpha is None and layout.marked:
            alpha = float(metadata.get("alpha", rank))
        if alpha is not None:
            alphas[module] = alpha
    dtype = types.pop() if len(types) == 1 else torch.float32
    return LoraFile(dict(sorted(weights.items())), metadata, alphas, dtype)
