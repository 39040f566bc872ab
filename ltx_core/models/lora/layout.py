"""Which layer each tensor of a LoRA's file belongs to, and how strong the file says it is. No torch here.

Read are: the original layout (ComfyUI, the public trainer), diffusers' with its adapter metadata, and that of
trainers that write `lora_down`, `lora_up` and `alpha`, with dots or with underscores (`lora_unet_...`); of a
DoRA the lengths of rows under both names, of a LoKr LyCORIS' names. Anything else (LoHa, trained biases,
lengths of columns) is refused: half of it would change another model than was trained.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltx_core.models.errors import ModelError
from ltx_core.models.names import to_diffusers, to_original
from ltx_core.models.options import AdapterKind

PREFIX = "diffusion_model."
"""In front of every name of a written file in the original layout."""
PEFT_PREFIX = "transformer."
"""In front of every name of diffusers' files and of the keys of their adapter metadata."""
FLAT = "lora_unet_"
"""In front of names whose dots became underscores; only the model's own names can undo that."""
KNOWN_PREFIXES = (
    f"base_model.model.{PREFIX}",
    "base_model.model.",
    f"model.{PREFIX}",
    PREFIX,
    PEFT_PREFIX,
    "",
)
"""Prefixes that are taken off, the longest first: of PEFT, of checkpoints, ComfyUI's, diffusers', none."""
ADAPTER_METADATA = "lora_adapter_metadata"
"""Metadata key under which diffusers keeps the adapter's settings as JSON."""
MARK = "alpha_in_weights"
"""Our own metadata key: whether alpha / rank is within B."""
KINDS = {
    ".lora_A.weight": "a",
    ".lora_A.default.weight": "a",
    ".lora_down.weight": "a",
    ".lora_B.weight": "b",
    ".lora_B.default.weight": "b",
    ".lora_up.weight": "b",
    ".alpha": "alpha",
    ".lora_magnitude_vector": "length",
    ".lora_magnitude_vector.weight": "length",
    ".lora_magnitude_vector.default.weight": "length",
    ".dora_scale": "scale",
    ".lokr_w1": "lokr_w1",
    ".lokr_w1_a": "lokr_w1_a",
    ".lokr_w1_b": "lokr_w1_b",
    ".lokr_w2": "lokr_w2",
    ".lokr_w2_a": "lokr_w2_a",
    ".lokr_w2_b": "lokr_w2_b",
}
"""End of a key -> what it is of a layer's adapter."""
LORA, DORA = frozenset(("a", "b", "alpha")), frozenset(("length", "scale"))
"""What a LoRA has of a layer, and what a DoRA has beside: lengths of rows, by peft's name or by ComfyUI's."""
FACTORS = tuple((f"lokr_w{n}", (f"lokr_w{n}_a", f"lokr_w{n}_b")) for n in (1, 2))
"""The two factors of a LoKr: each whole, or two of lower rank."""
OPTIONS = "adapter_options"
"""Our own metadata key: JSON of the adapter's kind and of what differs from layer to layer; absent for a LoRA
of one alpha."""
PEFT_ALPHA = 8
"""peft's alpha where its settings state none."""


@dataclass(frozen=True)
class LoraLayout:
    """What lies where in a LoRA's file.

    Attributes:
        pairs: by diffusers module name: the keys of its adapter's parts, named by `KINDS`.
        adapter: the adapter's settings of diffusers' metadata; None where there are none.
        marked: whether it carries our mark that alpha / rank is within B.
        options: our own facts on the adapter, `OPTIONS`.
    """

    pairs: Mapping[str, Mapping[str, str]]
    adapter: Mapping[str, Any] | None
    marked: bool
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> AdapterKind:
        """`lora` or `lokr`: all layers are of one."""
        return "lora" if "a" in next(iter(self.pairs.values())) else "lokr"

    @property
    def dora(self) -> bool:
        """Whether lengths of rows were learned."""
        return any(DORA & parts.keys() for parts in self.pairs.values())

    def size(self, module: str, shape: Callable[[str], Sequence[int]]) -> tuple[int, int]:
        """Outputs and inputs of a module by its adapter's shapes; `shape` gives that of a key."""
        parts = self.pairs[module]
        if "a" in parts:
            return shape(parts["b"])[0], shape(parts["a"])[1]
        ends = [(whole, whole) if whole in parts else pair for whole, pair in FACTORS]
        rows = math.prod(shape(parts[first])[0] for first, _ in ends)
        return rows, math.prod(shape(parts[last])[1] for _, last in ends)

    def rank(self, module: str, shape: Callable[[str], Sequence[int]]) -> int | None:
        """Rank of a module's adapter; None for a LoKr of two whole factors, which has none."""
        parts = self.pairs[module]
        of = next((name for name in ("a", "lokr_w2_b", "lokr_w1_b") if name in parts), None)
        return None if of is None else shape(parts[of])[0]

    def alpha(self, module: str, rank: int) -> float | None:
        """Alpha of a module by the adapter metadata, as peft finds it; None where the file states none.

        The rule of a pattern: a regular expression that fits the module's name or the end of it. With
        `use_rslora`, which divides by the root of the rank, it is the alpha that means the same without.
        """
        if self.adapter is None:
            own: float | None = self.options.get("alphas", {}).get(module)
            return own if self.marked else None
        patterns = self.adapter.get("alpha_pattern") or {}
        fitting = (value for key, value in patterns.items() if re.match(rf"(.*\.)?({key})$", module))
        alpha = float(next(fitting, self.adapter.get("lora_alpha", PEFT_ALPHA)))
        return alpha * rank**0.5 if self.adapter.get("use_rslora") else alpha


def read_layout(
    path: Path, keys: Collection[str], metadata: Mapping[str, str], linear: Sequence[str] = ()
) -> LoraLayout:
    """Sort the keys of a LoRA's file by layer.

    Args:
        path: for messages.
        keys: of the file.
        metadata: its strings.
        linear: names of the base model's linear layers; needed for names with underscores only.

    Raises:
        ModelError: when it holds anything but whole pairs of two factors, or a name means no or two layers.
    """
    flat = _flat_names(linear) if any(key.startswith(FLAT) for key in keys) else {}
    pairs: dict[str, dict[str, str]] = {}
    for key in sorted(keys):
        end = next((end for end in KINDS if key.endswith(end)), None)
        if end is None:
            raise ModelError(
                f"{path} is no LoRA that can be read: {key} is neither lora_A.weight nor lora_B.weight, nor "
                "a part of a DoRA or LoKr; convert it to that layout with alpha / rank multiplied into B"
            )
        module = _module(path, key.removesuffix(end), flat, bool(linear))
        if KINDS[end] in pairs.setdefault(module, {}):
            raise ModelError(f"{path} holds {module} twice, such as in {key}; keep one of them")
        pairs[module][KINDS[end]] = key
    lonely = [module for module, parts in pairs.items() if not _whole(parts.keys())]
    if lonely or not pairs:
        raise ModelError(
            f"{path} is no whole LoRA: {lonely[0] + ' lacks a part' if lonely else 'it is empty'}"
        )
    if len({"a" in parts for parts in pairs.values()}) == 2:
        raise ModelError(f"{path} is a LoRA for some layers and a LoKr for others; give a file of one kind")
    layout = LoraLayout(
        pairs, _adapter(path, metadata), metadata.get(MARK) == "true", _options(path, metadata)
    )
    _check_adapter(path, layout)
    return layout


def _whole(parts: Collection[str]) -> bool:
    """Whether a layer's parts are those of one adapter."""
    rest = set(parts)
    if "a" in rest:
        return {"a", "b"} <= rest <= LORA | DORA
    for whole, pair in FACTORS:
        found = {whole} if whole in rest else set(pair)
        if not found <= rest:
            return False
        rest -= found
    return rest <= {"alpha"}


def _check_adapter(path: Path, layout: LoraLayout) -> None:
    """Refuse settings that say something else than the weights."""
    settings = layout.adapter
    if settings is not None and layout.kind == "lokr":
        raise ModelError(
            f"{path} is a LoKr with {ADAPTER_METADATA}, whose scale is not within its weights; convert it to "
            "LyCORIS' names with an alpha for each layer"
        )
    if settings is not None and bool(settings.get("use_dora")) != layout.dora:
        says, lacks = ("is", "without") if settings.get("use_dora") else ("is not", "with")
        raise ModelError(
            f"{path} {says} a DoRA by its {ADAPTER_METADATA}, {lacks} lengths of rows; get it again"
        )


def _options(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = dict(json.loads(metadata.get(OPTIONS, "{}")))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path}: its {OPTIONS} cannot be read ({error}); get it again") from error
    return found


def _module(path: Path, name: str, flat: Mapping[str, list[str]], known: bool) -> str:
    if not name.startswith(FLAT):
        prefix = next(prefix for prefix in KNOWN_PREFIXES if name.startswith(prefix))
        return to_diffusers(name.removeprefix(prefix))
    found = flat.get(name.removeprefix(FLAT), [])
    if len(found) == 1:
        return found[0]
    if not known:
        raise ModelError(f"{path} names layers with underscores ({name}); name the base model that it is for")
    what = f"may be {' or '.join(found)}" if found else "is no layer of this model"
    raise ModelError(f"{path}: {name} {what}; use the base model that the LoRA was made for")


def _flat_names(linear: Sequence[str]) -> dict[str, list[str]]:
    """Names with underscores for dots, in both namings -> the layers that they may mean."""
    found: dict[str, set[str]] = {}
    for name in linear:
        for form in (name, to_original(name)):
            found.setdefault(form.replace(".", "_"), set()).add(name)
    return {flat: sorted(names) for flat, names in found.items()}


def _adapter(path: Path, metadata: Mapping[str, str]) -> dict[str, Any] | None:
    text = metadata.get(ADAPTER_METADATA)
    if text is None:
        return None
    try:
        found = {key.removeprefix(PEFT_PREFIX): value for key, value in json.loads(text).items()}
    except (ValueError, AttributeError) as error:
        raise ModelError(f"{path}: its {ADAPTER_METADATA} cannot be read ({error}); get it again") from error
    return found
