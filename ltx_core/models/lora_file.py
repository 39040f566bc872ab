"""The file of a LoRA: safetensors with string metadata.

Written in the original layout; read in the original, diffusers' or bare layout.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from ltx_core.models.info import ModelError
from ltx_core.models.names import to_diffusers

PREFIX = "diffusion_model."
"""In front of every name of a written file."""
KNOWN_PREFIXES = (PREFIX, "transformer.", "")
"""Prefixes that `read_lora` takes off: ComfyUI's, diffusers', none."""


@dataclass(frozen=True)
class LoraFile:
    """A LoRA as it was saved.

    Attributes:
        weights: by diffusers module name: A `[rank, in]` and B `[out, rank]`, alpha / rank within B.
        metadata: the file's strings.
    """

    weights: dict[str, tuple[Tensor, Tensor]]
    metadata: dict[str, str]


def read_lora(path: Path) -> LoraFile:
    """Read a LoRA file in the original or diffusers' layout.

    Raises:
        ModelError: when it is missing, damaged, or holds anything but pairs of lora_A and lora_B.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = dict(file.metadata() or {})
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read as a LoRA ({error}); give a .safetensors file") from error
    pairs: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        prefix = next(known for known in KNOWN_PREFIXES if name.startswith(known))
        module, _, kind = name.removeprefix(prefix).rpartition(".lora_")
        if kind not in ("A.weight", "B.weight"):
            raise ModelError(
                f"{path} is no LoRA that can be read: {name} is neither lora_A.weight nor lora_B.weight; "
                f"convert it to that layout with alpha / rank multiplied into B"
            )
        pairs.setdefault(to_diffusers(module), {})[kind[0]] = tensor.float()
    lonely = [module for module, pair in pairs.items() if len(pair) != 2]
    if lonely or not pairs:
        raise ModelError(
            f"{path} is no whole LoRA: {lonely[0] + ' lacks a part' if lonely else 'it is empty'}"
        )
    return LoraFile({module: (pair["A"], pair["B"]) for module, pair in sorted(pairs.items())}, metadata)
