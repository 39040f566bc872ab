"""Options of the models room, read without torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, MinLen

TARGET_MODULES = ("to_k", "to_q", "to_v", "to_out.0")
"""The attentions' projections: the public trainer's default."""
AdapterKind = Literal["lora", "lokr"]
Rank = Annotated[int, Ge(1)]
Alpha = Annotated[float, Gt(0)]
EVERY_KIND = frozenset(("rank", "alpha", "dropout", "target_modules"))
"""Options that are part of a training's key whatever they are; the others where they are not at their
defaults: runs of before them stay valid."""
RANGE = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class LoraOptions:
    """The `lora` section.

    Attributes:
        rank: of each adapter.
        alpha: strength; an adapter's output is multiplied by alpha / rank.
        dropout: share of an adapter's inputs set to 0 in training.
        target_modules: names of linear layers that get an adapter, whole or as the end of a dotted name
            (`to_k`: every attention; `attn1.to_k`: the video's self attention only), in diffusers' or the
            original naming; `*` stands for anything (`attn1.*`, `transformer_blocks.*.to_k`).
        kind: `lora`, or `lokr`: the Kronecker product of two small matrices (LyCORIS).
        rank_pattern: rank of layers that are named as in `target_modules`; the longest fitting name counts.
        alpha_pattern: alpha of such layers, likewise.
        layers: blocks of the transformer that get adapters, as `0-11,24-47` or a list; None: all, and layers
            outside of blocks.
        use_rslora: multiply by alpha / sqrt(rank), so that a larger rank does not act less (rsLoRA).
        use_dora: learn the length of each of a layer's rows apart from its direction (DoRA). For `lora`.
        decompose_factor: LoKr: the first matrix's size, where it divides the layer's; -1: the square root.
        decompose_both: LoKr: the first matrix is a product of rank `rank` too, where that is smaller.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    rank: Rank = 64
    alpha: Alpha = 64.0
    dropout: Annotated[float, Ge(0), Le(1)] = 0.0
    target_modules: Annotated[tuple[str, ...], MinLen(1)] = TARGET_MODULES
    kind: AdapterKind = "lora"
    rank_pattern: dict[str, Rank] = field(default_factory=dict)
    alpha_pattern: dict[str, Alpha] = field(default_factory=dict)
    layers: str | tuple[int | str, ...] | None = None
    use_rslora: bool = False
    use_dora: bool = False
    decompose_factor: Annotated[int, Ge(-1)] = -1
    decompose_both: bool = False

    def __post_init__(self) -> None:
        if self.layers is not None:
            # One spelling for each set of blocks: equal meaning is an equal key.
            object.__setattr__(self, "layers", _ranges(_numbers(self.layers)))
        if self.decompose_factor == 0:
            raise ValueError("decompose_factor is 0; use -1 (near the square root), or a number such as 8")
        stated = self._stated("use_rslora", "use_dora")
        if self.kind == "lokr" and stated:
            raise ValueError(f"{' and '.join(stated)}: kind 'lokr' has neither DoRA nor rsLoRA; leave it out")
        stated = self._stated("decompose_factor", "decompose_both")
        if self.kind == "lora" and stated:
            raise ValueError(f"{' and '.join(stated)} are for kind 'lokr'; remove them, or set kind: lokr")

    @property
    def blocks(self) -> frozenset[int] | None:
        """Numbers of the blocks that get adapters; None: no restriction."""
        return None if self.layers is None else frozenset(_numbers(self.layers))

    def as_key(self) -> dict[str, Any]:
        """What a training's key says of the section."""
        plain = LoraOptions()
        return {
            name: value
            for name, value in asdict(self).items()
            if name in EVERY_KIND or value != getattr(plain, name)
        }

    def words(self) -> dict[str, str]:
        """What is not plain LoRA, for people; nothing for a plain one."""
        found = {key: value for key, value in self.as_key().items() if key not in EVERY_KIND}
        return {f"LoRA {name.replace('_', ' ')}": str(value) for name, value in found.items()}

    def scale(self, rank: int, alpha: float) -> float:
        """What an adapter's output is multiplied by: of this rank and alpha."""
        return alpha / (rank**0.5 if self.use_rslora else rank)

    def _stated(self, *names: str) -> list[str]:
        defaults: Mapping[str, Any] = {
            "use_rslora": False,
            "use_dora": False,
            "decompose_factor": -1,
            "decompose_both": False,
        }
        return [name for name in names if getattr(self, name) != defaults[name]]


def _numbers(layers: str | tuple[int | str, ...]) -> set[int]:
    """Numbers of blocks in `0-11,24-47` or a list of numbers and such ranges."""
    parts: Iterable[int | str] = layers.split(",") if isinstance(layers, str) else layers
    found: set[int] = set()
    for part in parts:
        match = RANGE.fullmatch(str(part).replace(" ", ""))
        first, last = (0, -1) if match is None else (int(match[1]), int(match[2] or match[1]))
        if last < first:
            raise ValueError(f"layers: {part!r} is no block and no range of blocks; write such as 0-11,24-47")
        found.update(range(first, last + 1))
    if not found:
        raise ValueError("layers: no block is named; write such as 0-11,24-47, or leave it out for all")
    return found


def _ranges(numbers: Iterable[int]) -> str:
    """The same as the shortest text: `0-11,24-47`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
