"""A small transformer with what goes through it, and what of it lives at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import LTX2VideoTransformer3DModel, LTXVideoTransformer3DModel
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ltx_core.models.forward import transformer_forward
from ltx_core.models.full import train_all
from ltx_core.models.lora.adapters import add_lora
from ltx_core.models.lora.inject import adapted_layers
from ltx_core.models.lora.shapes import kept_per_token
from ltx_core.models.ltxv.forward import ltxv_forward
from ltx_core.models.memory.block import Arithmetic, Load
from ltx_core.models.memory.training import block_adapters
from ltx_core.models.names import BOTH
from ltx_core.models.options import LoraOptions
from ltx_core.models.stream import Stream

LATER = ("gated_attn", "audio_gated_attn", "cross_attn_mod", "audio_cross_attn_mod")
ATTENTION = ("to_k", "to_q", "to_v", "to_out.0")
RANK, TEXT = 4, 24


def config_of(family: str, layers: int, heads: int = 4, video: int = 32, audio: int = 16) -> dict[str, Any]:
    sizes = {"num_attention_heads": heads, "attention_head_dim": video, "num_layers": layers}
    sizes |= {"cross_attention_dim": heads * video, "caption_channels": 96}
    if family == "ltxv":
        return {**sizes, "_class_name": "LTXVideoTransformer3DModel"}
    return {
        **sizes,
        "_class_name": "LTX2VideoTransformer3DModel",
        "audio_num_attention_heads": heads,
        "audio_attention_head_dim": audio,
        "audio_cross_attention_dim": heads * audio,
        "rope_type": "split",
        "use_prompt_embeddings": family == "2.0",
        **dict.fromkeys(LATER, family != "2.0"),
    }


@dataclass(frozen=True)
class Case:
    """A small transformer with what goes through it, and the same as numbers."""

    family: str
    precision: str = "no"
    modalities: tuple[str, ...] = BOTH
    video: int = 48
    audio: int = 7
    held: bool = True
    targets: tuple[str, ...] = ATTENTION
    full: bool = False
    batch: int = 1
    kind: str = "lora"

    @property
    def lora(self) -> LoraOptions:
        """The adapters' options: of `kind`, or a DoRA."""
        kind = "lokr" if self.kind == "lokr" else "lora"
        return LoraOptions(rank=RANK, target_modules=self.targets, kind=kind, use_dora=self.kind == "dora")

    def model(self, layers: int, **sizes: int) -> Any:
        logging.getLogger("diffusers").setLevel(logging.ERROR)
        config = config_of(self.family, layers, **sizes)
        cls = LTXVideoTransformer3DModel if self.family == "ltxv" else LTX2VideoTransformer3DModel
        torch.manual_seed(0)
        model = cls.from_config(config).requires_grad_(False)
        if self.full:
            train_all(model, self.modalities)
            return model
        model.to(torch.bfloat16 if self.precision == "bf16" else torch.float32)
        add_lora(model, self.lora, 0, self.modalities)
        return model

    @property
    def load(self) -> Load:
        video = self.batch * self.video if "video" in self.modalities else 0
        audio = self.batch * self.audio if "audio" in self.modalities else 0
        levels = [tokens if self.held else min(tokens, self.batch) for tokens in (video, audio)]
        return Load(video, audio, self.batch * TEXT, *levels)

    def numbers(self, model: Any) -> Arithmetic:
        kept = {
            found.name: kept_per_token(
                self.lora, found.size, tuple(found.layer.get_base_layer().weight.shape)
            )
            for found in adapted_layers(model)
        }
        adapters = block_adapters(kept)
        return Arithmetic.of(self.precision, gpu=False, trained=self.full, adapters=adapters)

    def streams(self, model: Any) -> list[Stream | None]:
        config = config_of(self.family, 1) | dict(model.config)
        return [self._stream(config, name) if name in self.modalities else None for name in BOTH]

    def run(self, model: Any, checkpointing: int = 0, streams: list[Stream | None] | None = None) -> Any:
        forward = ltxv_forward if self.family == "ltxv" else transformer_forward
        streams = streams or self.streams(model)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            return forward(model, *streams, checkpointing=checkpointing)

    def step(self, model: Any, checkpointing: int) -> None:
        outputs = self.run(model, checkpointing)
        torch.stack([out.float().square().mean() for out in outputs if out is not None]).sum().backward()

    def _stream(self, config: dict[str, Any], name: str) -> Stream:
        tokens, prefix, axes = (self.audio, "audio_", 1) if name == "audio" else (self.video, "", 3)
        own = config[f"{prefix}num_attention_heads"] * config[f"{prefix}attention_head_dim"]
        width = config["caption_channels"] if config.get("use_prompt_embeddings", True) else own
        levels = torch.full((self.batch, tokens), 0.5)
        levels[:, 0] = 0.0 if self.held else 0.5
        return Stream(
            tokens=torch.randn(self.batch, tokens, 128),
            timesteps=levels if self.held else levels[:, :1],
            sigma=torch.full((self.batch,), 0.5),
            positions=torch.rand(self.batch, axes, tokens, 2),
            context=torch.randn(self.batch, TEXT, width),
        )


class Living(TorchDispatchMode):
    """Bytes of the storages that operations have made and that are still alive, at their most."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[int, tuple[StorageWeakRef, int]] = {}
        self.given: dict[int, StorageWeakRef] = {}  # held, so that no other storage gets its address
        self.now = self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        for storage in _storages((args, kwargs)):
            reference = StorageWeakRef(storage)
            if reference.cdata not in self.made:
                self.given.setdefault(reference.cdata, reference)
        result = func(*args, **(kwargs or {}))
        for storage in _storages(result):
            reference = StorageWeakRef(storage)
            if reference.cdata not in self.given and reference.cdata not in self.made:
                self.made[reference.cdata] = (reference, storage.nbytes())
                self.now += storage.nbytes()
        if self.now > self.peak:  # at the most: some of it may be gone
            self.made = {key: held for key, held in self.made.items() if not held[0].expired()}
            self.now = sum(size for _, size in self.made.values())
            self.peak = max(self.peak, self.now)
        return result


def _storages(values: object) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]


def allocated(work: Callable[[], object]) -> int:
    """The peak of tensors above what was there before; scratch memory within one operation is not seen."""
    with Living() as living:
        work()
    return living.peak
