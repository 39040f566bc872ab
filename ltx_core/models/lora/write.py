"""An adapter in the file that ComfyUI and the pipelines read: original names, scale within a factor.

| kind | keys of a layer | read by |
|---|---|---|
| LoRA, rsLoRA | `lora_A.weight`, `lora_B.weight` | ComfyUI, pipelines |
| DoRA | these, `dora_scale` `[out, 1]`, `lora_magnitude_vector` `[out]` | ComfyUI, pipelines: one of both |
| LoKr | `lokr_w1` or `_a` and `_b`, `lokr_w2` likewise | ComfyUI; no pipeline of LTX |

Design choices
- The scale stands within B, or within a LoKr's first factor: neither program has another place for it in a
  file of this layout, and ComfyUI would read rsLoRA's alpha as LoRA's.
- Lengths of a DoRA are float32 whatever the other weights' type: they are few, and a factor of every output.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ltx_core.models.lora.file import LoraFile
from ltx_core.models.lora.layout import ADAPTER_METADATA, MARK, OPTIONS, PREFIX
from ltx_core.models.lora.shapes import LORA_A, LORA_B
from ltx_core.models.names import to_original
from ltx_core.store.tensors import Entry

DORA_SCALE, LENGTHS = "dora_scale", "lora_magnitude_vector"
"""ComfyUI's and LyCORIS' name of a DoRA's lengths, and peft's, which the pipelines read."""


def entries(file: LoraFile, dtype: torch.dtype, prefix: str = PREFIX) -> list[Entry]:
    """The file's tensors in the original layout, layer by layer."""
    found: list[Entry] = []
    for module in file.modules:
        found += layer_entries(file, module, f"{prefix}{to_original(module)}", dtype)
    return found


def layer_entries(file: LoraFile, module: str, name: str, dtype: torch.dtype) -> Iterator[Entry]:
    """One layer's tensors under `name`."""
    if module in file.factors:
        for part, tensor in file.factors[module].items():
            yield Entry.of(f"{name}.{part}", tensor, dtype)
        return
    a, b = file.weights[module]
    yield Entry.of(f"{name}.{LORA_A}", a, dtype)
    yield Entry.of(f"{name}.{LORA_B}", b, dtype)
    if module in file.lengths:
        lengths = file.lengths[module]
        # Two dimensions: of one ComfyUI makes a factor for each column of a square weight.
        yield Entry.of(f"{name}.{DORA_SCALE}", lengths[:, None].contiguous(), torch.float32)
        yield Entry.of(f"{name}.{LENGTHS}", lengths, torch.float32)


def facts(file: LoraFile, rank: int | None = None) -> dict[str, str]:
    """The strings of a file whose scale is within its weights; what it was made as, where that is not plain.

    Args:
        file: to be written.
        rank: where the file's weights do not show it.
    """
    alphas = {name: file.alphas.get(name, float(file.rank(name))) for name in file.modules}
    alpha = commonest(alphas)
    options: dict[str, Any] = {key: value for key, value in file.options.items() if key != "alphas"}
    if others := {name: own for name, own in alphas.items() if own != alpha}:
        options["alphas"] = others
    left_out = (ADAPTER_METADATA, MARK, OPTIONS)
    kept = {key: text for key, text in file.metadata.items() if key not in left_out}
    own = rank or commonest({name: file.rank(name) for name in file.modules})
    stated = {OPTIONS: json.dumps(options, sort_keys=True)} if options else {}
    return {**kept, "format": "pt", "rank": str(own), "alpha": f"{alpha:g}", **stated}


def exact_in(dtype: torch.dtype, tensors: Iterator[Tensor]) -> torch.dtype:
    """The type, or float32 where the tensors would be rounded in it."""
    return dtype if all(torch.equal(x, x.to(dtype).float()) for x in tensors) else torch.float32


def commonest(values: Mapping[str, Any]) -> Any:
    """The value that most layers have."""
    return Counter(values.values()).most_common(1)[0][0]
