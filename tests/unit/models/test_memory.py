"""The formulas of memory against what autograd keeps, what the allocator hands out, and what modules hold."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from accelerate import init_empty_weights
from diffusers import LTX2VideoTransformer3DModel, LTXVideoTransformer3DModel
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ltx_core.models.forward import transformer_forward
from ltx_core.models.full import train_all
from ltx_core.models.lora import add_lora
from ltx_core.models.ltxv_forward import ltxv_forward
from ltx_core.models.memory import (
    Learning,
    activations,
    block_adapters,
    inference,
    recomputed_blocks,
    training_peak,
)
from ltx_core.models.memory_block import Arithmetic, Load, saved_by_block
from ltx_core.models.memory_codecs import text_bytes
from ltx_core.models.memory_weights import language_shapes, text_encoder_bytes, transformer_bytes
from ltx_core.models.names import BOTH, runs_with
from ltx_core.models.options import LoraOptions
from ltx_core.models.quantise import quantise
from ltx_core.models.quantise_methods import SKIP_TEXT, SKIP_TRANSFORMER, Method
from ltx_core.models.shape import transformer_shape
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
        add_lora(model, LoraOptions(rank=RANK, target_modules=self.targets), 0, self.modalities)
        return model

    @property
    def load(self) -> Load:
        video = self.batch * self.video if "video" in self.modalities else 0
        audio = self.batch * self.audio if "audio" in self.modalities else 0
        levels = [tokens if self.held else min(tokens, self.batch) for tokens in (video, audio)]
        return Load(video, audio, self.batch * TEXT, *levels)

    def numbers(self, model: Any) -> Arithmetic:
        adapted = [n.partition(".lora_A")[0] for n, _ in model.named_parameters() if ".lora_A" in n]
        adapters = block_adapters(dict.fromkeys(adapted, RANK))
        return Arithmetic.of(self.precision, gpu=False, trained=self.full, adapters=adapters)

    def run(self, model: Any, checkpointing: int = 0) -> Any:
        config = config_of(self.family, 1) | dict(model.config)
        forward = ltxv_forward if self.family == "ltxv" else transformer_forward
        streams = [self._stream(config, name) if name in self.modalities else None for name in BOTH]
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
            timesteps=levels,
            sigma=torch.full((self.batch,), 0.5),
            positions=torch.rand(self.batch, axes, tokens, 2),
            context=torch.randn(self.batch, TEXT, width),
        )


def saved_bytes(case: Case, layers: int) -> int:
    """Bytes of all storages that autograd keeps, without weights and their narrow copies."""
    model, seen = case.model(layers), {}
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    learning = {tuple(sorted(p.shape)) for p in model.parameters() if p.requires_grad}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        copy = tensor.dtype == torch.bfloat16 and tuple(sorted(tensor.shape)) in learning
        if storage.data_ptr() not in weights and not copy:
            seen[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = case.run(model)
    assert any(out is not None for out in outputs)
    return sum(size for size, _ in seen.values())


CASES = [
    *(
        Case(family, precision, modalities, held=held)
        for family in ("2.0", "2.3")
        for precision in ("no", "bf16")
        for modalities, held in ((("video",), True), (("audio",), False), (BOTH, True), (BOTH, False))
    ),
    Case("2.3", "bf16", targets=("attn1.to_q", "ff.net.0.proj", "ff.net.2", "audio_attn2.to_k"), batch=2),
    Case("2.0", "no", targets=("to_v", "ff.net.2", "to_out.0"), video=33, audio=19, batch=2),
    Case("2.0", "bf16", full=True, video=40, audio=11, batch=2),
    Case("2.3", "no", full=True, video=40, audio=11),
    Case("ltxv", "no", ("video",)),
    Case("ltxv", "bf16", ("video",), held=False, batch=2),
    Case("ltxv", "bf16", ("video",), full=True, video=41),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_block_keeps_is_counted_to_a_two_hundredth(case):
    measured = saved_bytes(case, 3) - saved_bytes(case, 2)  # what a first block does without is no measure
    shape = transformer_shape(config_of(case.family, 2), case.modalities)
    counted = saved_by_block(shape, case.load, case.numbers(case.model(1)))
    assert counted == pytest.approx(measured, rel=0.005)


class Living(TorchDispatchMode):
    """Bytes of the storages that operations have made and that are still alive, at their most."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[int, tuple[StorageWeakRef, int]] = {}
        self.given: set[int] = set()
        self.now = self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        for storage in _storages((args, kwargs)):
            reference = StorageWeakRef(storage)
            if reference.cdata not in self.made:
                self.given.add(reference.cdata)
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


@pytest.mark.parametrize(
    ("case", "checkpointing"),
    [
        (Case("2.3", "no", ("video",), 480), 0),
        (Case("2.3", "bf16", BOTH, 240, 60), 1),
        (Case("2.0", "bf16", ("video",), 240, held=False), 2),
        (Case("2.0", "no", ("video",), 480, full=True), 1),
        (Case("ltxv", "no", ("video",), 480), 3),
    ],
    ids=str,
)
def test_the_peak_of_a_step_is_met_within_a_twentieth(case, checkpointing):
    layers = 4
    model = case.model(layers)
    shape = transformer_shape(config_of(case.family, layers), case.modalities)
    numbers = case.numbers(model)
    kept = activations(shape, case.load, numbers, recomputed_blocks(layers, checkpointing))
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    learning = Learning(count, half=case.precision == "bf16", gpu=False)
    case.step(model, checkpointing)  # what is made once
    model.zero_grad(set_to_none=True)
    measured = allocated(lambda: case.step(model, checkpointing))
    # Weights and moments lay there before, or (moments) are not made without an optimizer.
    expected = training_peak(0, learning, kept) - 12 * count
    assert expected == pytest.approx(measured, rel=0.05)
    with torch.no_grad():
        passing = allocated(lambda: case.run(model))
    assert inference(shape, case.load, numbers) == pytest.approx(passing, rel=0.1)


@pytest.mark.parametrize("method", [None, "int8", "fp8", "int4", "nf4"])
def test_weights_are_counted_as_modules_hold_them(method: Method | None):
    model = Case("2.3").model(3) if method is None else _plain("2.3", 3)
    model.to(torch.bfloat16)
    shapes = {n: tuple(p.shape) for n, p in _plain("2.3", 3).named_parameters()}
    counted = transformer_bytes(shapes, 2, method)
    if method is not None:
        quantise(model, method, SKIP_TRANSFORMER)
    held = {name: p.nbytes for name, p in model.named_parameters() if ".lora_" not in name}
    blocks = [sum(n for name, n in held.items() if f"blocks.{index}." in name) for index in range(3)]
    assert counted.blocks == tuple(blocks)
    assert counted.all == sum(held.values())
    assert counted.resident(0) == counted.all and counted.host(0) == 0
    assert counted.resident(3) == sum(blocks[:2]) + counted.rest and counted.host(3) == sum(blocks)


def _plain(family: str, layers: int) -> Any:
    return LTX2VideoTransformer3DModel.from_config(config_of(family, layers)).requires_grad_(False)


def test_of_a_text_encoder_only_what_is_loaded_counts():
    from transformers import AutoModel
    from zoo.words import gemma3

    encoder = gemma3(70)
    shapes = {name: tuple(value.shape) for name, value in encoder.state_dict().items()}
    language = AutoModel.from_config(encoder.config.get_text_config()).to(torch.bfloat16)
    assert text_encoder_bytes(shapes, 2) == sum(p.nbytes for p in language.parameters())
    quantise(language, "int8", SKIP_TEXT)
    assert text_encoder_bytes(shapes, 2, "int8") == sum(p.nbytes for p in language.parameters())
    twice = {
        "shared.weight": (7, 4),
        "encoder.embed_tokens.weight": (7, 4),
        "encoder.block.0.x.weight": (4, 4),
    }
    assert sum(a * b for a, b in language_shapes(twice).values()) == 28 + 16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("projected", ["layers", "tokens"])
def test_all_hidden_states_of_a_caption(projected, dtype):
    from diffusers.pipelines.ltx2.connectors import per_layer_masked_mean_norm, per_token_rms_norm

    tokens, hidden, layers = 300, 64, 24

    def encode() -> None:
        states = torch.stack([torch.randn(1, tokens, hidden, dtype=dtype) for _ in range(layers + 1)], -1)
        if projected == "layers":
            per_layer_masked_mean_norm(states, torch.full((1,), tokens), "cpu")
        else:
            per_token_rms_norm(states).flatten(2) * 1.5

    config = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": 1}
    counted = text_bytes(config, tokens, dtype.itemsize, projected)
    with torch.no_grad():
        assert allocated(encode) * 0.9 <= counted <= allocated(encode) * 1.5


@pytest.mark.parametrize(
    ("sizes", "billions", "block"),
    [
        ({"cls": LTX2VideoTransformer3DModel, "rope_type": "split"}, 18.88, 736),
        ({"cls": LTXVideoTransformer3DModel}, 1.92, None),
        (
            {
                "cls": LTXVideoTransformer3DModel,
                "num_layers": 48,
                "attention_head_dim": 128,
                "cross_attention_dim": 4096,
            },
            13.04,
            None,
        ),
    ],
    ids=["LTX-2", "LTX-Video 2B", "LTX-Video 13B"],
)
def test_real_sizes(sizes, billions, block):
    cls = sizes.pop("cls")
    with init_empty_weights():
        model = cls(**sizes)
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    found = transformer_bytes(shapes, 2)
    assert found.all / 2e9 == pytest.approx(billions, abs=0.005)
    if block is not None:
        assert found.blocks[0] / 2**20 == pytest.approx(block, abs=1)
        config = {**dict(model.config), "_class_name": cls.__name__}
        shape = transformer_shape(config, BOTH)
        assert [stream.width for stream in shape.streams] == [4096, 2048]
        assert (
            transformer_bytes({n: s for n, s in shapes.items() if runs_with(n, ["video"])}, 2).all < found.all
        )
    eighth = transformer_bytes(shapes, 2, "int8")
    assert eighth.blocks[0] / found.blocks[0] == pytest.approx(0.505, abs=0.01)
