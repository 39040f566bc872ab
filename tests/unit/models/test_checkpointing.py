"""Which blocks compute their activations again, and that this changes nothing but memory."""

from __future__ import annotations

import pytest
import torch
from learning_models import BLOCKS, learning, outputs, same, step

from ltx_core.training.options import OptimizationOptions


@pytest.mark.parametrize("family", ["ltx2", "ltxv"])
def test_gradients_are_equal_to_the_bit_whichever_blocks_compute_again(family):
    model = learning(family)
    plain = step(family, model, stg_blocks=(1,))
    for every in (1, 2, 3, BLOCKS + 1):
        assert same(plain, step(family, model, stg_blocks=(1,), checkpointing=every))


@pytest.mark.parametrize(
    ("every", "again"), [(0, []), (1, [0, 1, 2, 3, 4]), (2, [0, 2, 4]), (3, [0, 3]), (9, [0])]
)
def test_every_nth_block_computes_again_and_no_other(every, again):
    model, ran = learning("ltxv"), []
    for index, block in enumerate(model.transformer_blocks):
        block.attn1.to_q.register_forward_hook(lambda *_, index=index: ran.append(index))
    (velocity,) = outputs("ltxv", model, checkpointing=every)
    assert ran == [0, 1, 2, 3, 4]
    ran.clear()
    velocity.square().mean().backward()
    assert ran == again[::-1]


def test_recomputing_more_blocks_keeps_fewer_activations():
    kept, model = {}, learning("ltx2")

    def pack(tensor):
        kept[every].append(tensor.nbytes)
        return tensor

    for every in (0, 3, 2, 1):
        kept[every] = []
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            outputs("ltx2", model, checkpointing=every)
    sizes = [sum(kept[every]) for every in (0, 3, 2, 1)]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 4
    blocks = sizes[0] - sizes[3]  # what all blocks keep; each keeps the same
    assert sizes[0] - sizes[2] == pytest.approx(blocks * 3 / BLOCKS, rel=0.1)


def test_the_config_says_which_blocks():
    assert OptimizationOptions().checkpointing == 0
    assert OptimizationOptions(checkpoint_every=2).checkpointing == 0
    assert OptimizationOptions(enable_gradient_checkpointing=True).checkpointing == 1
    assert OptimizationOptions(enable_gradient_checkpointing=True, checkpoint_every=3).checkpointing == 3
