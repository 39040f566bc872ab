"""The file of a LoRA: safetensors with string metadata.

Written in the original or diffusers' layout (`write.py`, `export/lora.py`); read in every layout of
`lora/layout.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ltx_core.models.errors import ModelError
from ltx_core.models.lora.layout import LoraLayout, read_layout
from ltx_core.models.lora.shapes import LORA_A, LORA_B, MAGNITUDE
from ltx_core.models.options import AdapterKind

Factors = Mapping[str, Tensor]
"""A layer's part of a LoKr, by `kronecker.FACTORS`."""


@dataclass(frozen=True)
class LoraFile:
    """A LoRA as it was saved, of whatever kind; its scale is within its weights where the file states it.

    Attributes:
        weights: of a LoRA or DoRA, by diffusers module name, float32: A `[rank, in]` and B `[out, rank]`,
            alpha / rank within B where the file states alpha.
        metadata: the file's strings.
        alphas: alpha by module where the file states it.
        dtype: of the weights in the file.
        lengths: of a DoRA, by module: `[out]` float32, what each row of the sum is as long as.
        factors: of a LoKr, by module, float32; the scale is within the first.
        options: what our own files say of how it was made.
    """

    weights: dict[str, tuple[Tensor, Tensor]]
    metadata: dict[str, str]
    alphas: dict[str, float] = field(default_factory=dict)
    dtype: torch.dtype = torch.float32
    lengths: dict[str, Tensor] = field(default_factory=dict)
    factors: dict[str, Factors] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> AdapterKind:
        """What the file holds."""
        return "lokr" if self.factors else "lora"

    @property
    def modules(self) -> list[str]:
        """Names of the adapted layers."""
        return list(self.factors or self.weights)

    @property
    def stated(self) -> bool:
        """Whether the file says how strong it is; if not, its B may lack alpha / rank."""
        return self.alphas.keys() == set(self.modules)

    def rank(self, module: str) -> int:
        """Rank of a layer's adapter; 1 where it has none, so that its alpha is its scale."""
        if module in self.weights:
            return len(self.weights[module][0])
        return next((len(f) for name, f in self.factors[module].items() if name.endswith("_b")), 1)

    def change(self, module: str) -> Tensor:
        """`[out, in]` float32: what is added to a layer's weight; a DoRA's lengths of rows come after it."""
        if module in self.weights:
            a, b = self.weights[module]
            return b @ a
        factors = self.factors[module]
        first, second = (
            factors[name] if name in factors else factors[f"{name}_a"] @ factors[f"{name}_b"]
            for name in ("lokr_w1", "lokr_w2")
        )
        return torch.kron(first.contiguous(), second.contiguous())

    def size(self, module: str) -> tuple[int, int]:
        """Outputs and inputs of a layer."""
        if module in self.weights:
            a, b = self.weights[module]
            return b.shape[0], a.shape[1]
        rows = columns = 1
        for name, factor in self.factors[module].items():
            rows *= 1 if name.endswith("_b") else factor.shape[0]
            columns *= 1 if name.endswith("_a") else factor.shape[1]
        return rows, columns

    def state(self, module: str) -> dict[str, Tensor]:
        """A layer's adapter by the names that its parameters have in a model, scale included."""
        if module in self.factors:
            return {f"{module}.{name}": factor for name, factor in self.factors[module].items()}
        a, b = self.weights[module]
        found = {f"{module}.{LORA_A}": a, f"{module}.{LORA_B}": b}
        return found | ({f"{module}.{MAGNITUDE}": self.lengths[module]} if module in self.lengths else {})


def read_lora(path: Path, linear: Sequence[str] = ()) -> LoraFile:
    """Read a LoRA file.

    Args:
        path: the file.
        linear: names of the base model's linear layers; needed where the file's names have underscores.

    Raises:
        ModelError: when it is missing, damaged, or holds anything but whole adapters of one kind.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = dict(file.metadata() or {})
            layout = read_layout(path, file.keys(), metadata, linear)
            return _read(path, file, layout, metadata)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read as a LoRA ({error}); give a .safetensors file") from error


def _read(path: Path, file: Any, layout: LoraLayout, metadata: dict[str, str]) -> LoraFile:
    found = LoraFile({}, metadata, options=layout.options)
    types = set()
    for module, keys in sorted(layout.pairs.items()):
        parts = {name: file.get_tensor(key) for name, key in keys.items()}
        types |= {tensor.dtype for name, tensor in parts.items() if name not in ("alpha", "length", "scale")}
        rank = layout.rank(module, lambda key: tuple(file.get_slice(key).get_shape()))
        alpha = float(parts["alpha"]) if "alpha" in parts else layout.alpha(module, rank or 1)
        scale = 1.0 if layout.marked or alpha is None or rank is None else alpha / rank
        if alpha is None and layout.marked:
            alpha = float(metadata.get("alpha", rank or 1))
        if layout.kind == "lokr":
            found.factors[module] = _factors(parts, scale)
            alpha = float(rank or 1) if alpha is None else alpha  # LyCORIS' rule: none stated is 1
        else:
            b = parts["b"].float()
            found.weights[module] = (parts["a"].float(), b if scale == 1 else b * scale)
        if layout.dora:
            found.lengths[module] = _lengths(path, module, parts, len(found.weights[module][1]))
        if alpha is not None:
            found.alphas[module] = alpha
    dtype = types.pop() if len(types) == 1 else torch.float32
    return LoraFile(found.weights, metadata, found.alphas, dtype, found.lengths, found.factors, found.options)


def _factors(parts: Mapping[str, Tensor], scale: float) -> dict[str, Tensor]:
    """A LoKr's weights with its scale within the first; LyCORIS scales those of lower rank alone."""
    found = {name: tensor.float() for name, tensor in parts.items() if name != "alpha"}
    first = "lokr_w1" if "lokr_w1" in found else "lokr_w1_a"
    return {name: tensor * scale if name == first else tensor for name, tensor in found.items()}


def _lengths(path: Path, module: str, parts: Mapping[str, Tensor], rows: int) -> Tensor:
    """A DoRA's lengths of a layer's rows, `[out]`.

    Raises:
        ModelError: when they are of columns, which LyCORIS can learn and no layer here has; or absent.
    """
    found = parts.get("length", parts.get("scale"))
    if found is None:
        raise ModelError(f"{path} is no whole DoRA: {module} lacks the lengths of its rows")
    if found.shape not in ((rows,), (rows, 1)):
        raise ModelError(
            f"{path} cannot be read: the lengths of {module} are {tuple(found.shape)}, for {rows} rows; a "
            "DoRA that learned lengths of columns has no place here, train it with `wd_on_output`"
        )
    return found.reshape(-1).float()
