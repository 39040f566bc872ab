"""Attention by the kernel that was asked for: in the pass, in what is computed again, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from learning_models import learning, outputs, step
from torch.utils._python_dispatch import TorchDispatchMode

from ltx_core.models import attention
from ltx_core.models.attention import choose_attention, impossible
from ltx_core.models.errors import ModelError

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
BLOCKS = 2


class Kernels(TorchDispatchMode):
    """Counts calls of flash attention; the plain formula is made of products and sums, and has no name."""

    def __init__(self):
        super().__init__()
        self.flash = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name
        self.flash += "flash_attention" in name and "backward" not in name
        return func(*args, **(kwargs or {}))


def ran(model, **options):
    with Kernels() as kernels:
        found = step("ltx2", model, **options)
    return kernels.flash, found


@pytest.mark.parametrize("family", ["ltx2", "ltxv"])
def test_each_kernel_gives_the_same_numbers(family):
    model = learning(family, blocks=BLOCKS)
    plain = step(family, model)
    for wanted in ("flash", "math"):
        choose_attention(model, wanted, CPU, torch.float32)
        found = step(family, model)
        assert found.keys() == plain.keys()
        for name, value in found.items():
            torch.testing.assert_close(value, plain[name], rtol=1e-4, atol=1e-5)


def test_what_is_computed_again_attends_alike_and_the_rest_of_the_process_as_ever():
    model = learning("ltx2", blocks=BLOCKS)
    each = 6 * BLOCKS  # self, text and the other stream, of both streams
    for wanted, flash in (("auto", True), ("sdpa", True), ("flash", True), ("math", False)):
        choose_attention(model, wanted, CPU, torch.float32)
        for checkpointing, passes in ((0, 1), (1, 2)):
            seen, _ = ran(model, checkpointing=checkpointing)
            assert seen == flash * passes * each, (wanted, checkpointing)
    with Kernels() as kernels:
        torch.nn.functional.scaled_dot_product_attention(*(torch.ones(1, 2, 3, 4) for _ in range(3)))
    assert kernels.flash == 1


def test_no_mask_is_passed_where_no_token_is_masked(monkeypatch):
    real, masks = torch.nn.functional.scaled_dot_product_attention, []

    def spy(query, key, value, attn_mask=None, **rest):
        masks.append(attn_mask)
        return real(query, key, value, attn_mask=attn_mask, **rest)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    outputs("ltx2", learning("ltx2", blocks=BLOCKS))
    assert len(masks) == 6 * BLOCKS and not any(mask is not None for mask in masks)


@pytest.mark.parametrize("wanted", ["efficient", "cudnn"])
def test_a_kernel_that_the_cpu_has_not_is_refused(wanted):
    with pytest.raises(
        ModelError, match=rf"attention: {wanted}` cannot run here: it needs a GPU.*use `auto`"
    ):
        choose_attention(learning("ltxv", blocks=1), wanted, CPU, torch.bfloat16)


def test_limits_of_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    assert "takes bfloat16 or float16, and the blocks compute in float32" in str(
        impossible("flash", GPU, torch.float32)
    )
    assert "8.0, and Tesla T4 has 7.5" in str(impossible("flash", GPU, torch.float16))
    assert "8.0, and Tesla T4 has 7.5" in str(impossible("cudnn", GPU, torch.float16))
    assert impossible("efficient", GPU, torch.float32) is impossible("math", GPU, torch.float32) is None
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.backends.cudnn, "is_available", lambda: False)
    assert impossible("flash", GPU, torch.bfloat16) is None
    assert impossible("cudnn", GPU, torch.bfloat16) == "torch was built without cuDNN"
    first = {name: kernels[0].name.lower() for name, kernels in attention.KERNELS.items()}
    assert all(kernel.startswith(name) for name, kernel in first.items())
