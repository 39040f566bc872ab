"""The formulas of memory against what autograd keeps, what operations make, and what modules hold."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from accelerate import init_empty_weights
from diffusers import LTX2VideoTransformer3DModel, LTXVideoTransformer3DModel
from memory_cases import Case, allocated, config_of

from ltx_core.models.memory.block import saved_by_block
from ltx_core.models.memory.codecs import text_bytes
from ltx_core.models.memory.shape import transformer_shape
from ltx_core.models.memory.training import Learning, activations, inference, recomputed_blocks, training_peak
from ltx_core.models.memory.weights import language_shapes, text_encoder_bytes, transformer_bytes
from ltx_core.models.names import BOTH, runs_with
from ltx_core.models.quantise.layers import quantise
from ltx_core.models.quantise.methods import SKIP_TEXT, SKIP_TRANSFORMER, Method


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
    *(
        # Tokens enough: a DoRA's lengths and norms of rows, which no token adds to, are left out.
        Case("2.3", precision, kind=kind, targets=("to_k", "to_out.0", "ff.net.2"), video=240)
        for kind in ("dora", "lokr")
        for precision in ("no", "bf16")
    ),
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
    streams = case.streams(model)  # the caller's
    with torch.no_grad():
        passing = allocated(lambda: case.run(model, streams=streams))
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
