"""The optimizer's moments leave the GPU while hooks work, and the training does not notice."""

from __future__ import annotations

import pytest
import torch
from toy import run

from ltx_core.training.optim import adamw, offloaded
from ltx_core.training.options import OptimizationOptions
from ltx_core.training.plan import Hook


def test_a_training_with_moments_elsewhere_is_the_same_to_the_bit(tmp_path):
    hook = Hook(lambda step: None, every=2)
    _, kept = run(tmp_path / "kept", steps=6, hooks=[hook])
    _, moved = run(tmp_path / "moved", steps=6, hooks=[hook], offload=True)
    assert torch.equal(kept.layer.weight, moved.layer.weight)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_moments_come_back_to_the_gpu_even_after_an_error():
    parameter = torch.nn.Parameter(torch.randn(512, 512, device="cuda"))
    optimizer = adamw([parameter], OptimizationOptions())
    (parameter**2).sum().backward()
    optimizer.step()
    state = optimizer.state[parameter]
    before = {name: value.clone() for name, value in state.items()}
    used = torch.cuda.memory_allocated()
    with pytest.raises(KeyError), offloaded(optimizer, True):
        assert {value.device.type for value in state.values()} == {"cpu"}
        assert torch.cuda.memory_allocated() <= used - 2 * parameter.nbytes
        raise KeyError
    assert state["exp_avg"].device == parameter.device
    assert all(torch.equal(state[name], before[name]) for name in before)
    with offloaded(optimizer, False):
        assert state["exp_avg"].device == parameter.device
