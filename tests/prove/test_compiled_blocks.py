"""Compiled blocks as a run meets them: inductor's own code, and every kind of pass of one process."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

UNIT = Path(__file__).parents[1] / "unit" / "models"
sys.path.append(str(UNIT))

from learning_models import learning, outputs, step  # noqa: E402
from quantised_models import streams  # noqa: E402

from ltx_core.models import compiling  # noqa: E402
from ltx_core.models.compiling import compile_blocks  # noqa: E402
from ltx_core.models.lora.adapters import lora_off  # noqa: E402
from ltx_core.models.lora.strength import set_strength  # noqa: E402
from ltx_core.models.swap import swap_blocks  # noqa: E402

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1500)]


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    compiling._compiled.cache_clear()
    yield
    torch._dynamo.reset()
    compiling._compiled.cache_clear()


def close(found, expected, tell=None):
    assert len(found) == len(expected) > 0
    for value, other in zip(found, expected, strict=True):
        torch.testing.assert_close(value, other, rtol=0, atol=1e-5, msg=tell)


def test_inductors_code_gives_the_same_loss_and_gradients():
    model = learning("ltxv", blocks=2)
    plain = step("ltxv", model)
    assert compile_blocks(model)
    for checkpointing in (0, 1):
        found = step("ltxv", model, checkpointing=checkpointing)
        assert found.keys() == plain.keys()
        close(found.values(), plain.values())


def test_inductors_code_gives_the_same_video_and_sound():
    model = learning("ltx2", blocks=2)
    with torch.no_grad():
        plain = outputs("ltx2", model)
        assert compile_blocks(model)
        close(outputs("ltx2", model), plain)


def cut(given, tokens, batch):
    """Streams of fewer tokens and samples."""
    return {
        name: replace(
            stream,
            tokens=stream.tokens[:batch, :tokens],
            timesteps=stream.timesteps[:batch, :tokens],
            sigma=stream.sigma[:batch],
            positions=stream.positions[:batch, :, :tokens],
            context=stream.context[:batch],
        )
        for name, stream in given.items()
    }


def test_every_kind_of_pass_of_one_process_is_compiled_and_equal():
    model, plain, given = learning("ltx2", blocks=3), learning("ltx2", blocks=3), streams("ltx2")
    compile_blocks(model, "aot_eager")

    def equal(tell, **case):
        found, expected = (step("ltx2", each, **case) for each in (model, plain))
        assert found.keys() == expected.keys()
        close(found.values(), expected.values(), tell)
        sample(tell, **case)

    @torch.no_grad()
    def sample(tell, **case):
        close(outputs("ltx2", model, **case), outputs("ltx2", plain, **case), tell)

    def strengthen(strength):
        for each in (model, plain):
            set_strength(each, strength)

    equal("as it is")
    for tokens, batch in ((8, 2), (4, 1)):
        equal(f"{tokens} tokens", given=cut(given, tokens, batch), checkpointing=1)
    for name in ("video", "audio"):
        equal(f"without {name}", given={**given, name: None})
    sample("perturbed", stg_blocks=(1,))
    sample("isolated", cross_attention=False)
    for strength in (0.25, 0.5, 0.0):
        strengthen(strength)
        sample(f"strength {strength}")
    strengthen(1.0)
    with lora_off(model), lora_off(plain):
        sample("the base")
    swap_blocks(model, 2, "cpu")
    equal("swapped")
