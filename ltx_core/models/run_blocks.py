"""The one loop over a transformer's blocks: every family's forward pass runs its blocks through it.

What may differ from run to run without changing a result lies here and nowhere else: which blocks recompute
their activations in the backward pass, whose weights are swapped in (`swap.py`) or shared out
(`sharding.py`), whether the block's function is compiled (`compiling.py`), and which kernel computes its
attention (`attention.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import nullcontext
from typing import Any, TypeVar

import torch
from torch.utils.checkpoint import checkpoint

from ltx_core.models.attention import attending
from ltx_core.models.compiling import begin_pass, step_of
from ltx_core.models.sharding import through
from ltx_core.models.swap import swap_of

Shared = TypeVar("Shared")
Hidden = TypeVar("Hidden")
Step = Callable[[Any, Shared, Hidden, bool], Hidden]
"""(block, what is the same for every block, hidden states, perturbed) -> hidden states.

A function of a module, not a closure, so that compiling it once serves every block and every call.
"""


def run_blocks(
    model: Any,
    step: Step[Shared, Hidden],
    shared: Shared,
    hidden: Hidden,
    *,
    stg_blocks: Collection[int] = (),
    checkpointing: int = 0,
) -> Hidden:
    """Hidden states after the last block.

    Args:
        model: with `transformer_blocks`.
        step: what one block does.
        shared: given to every block.
        hidden: states before the first block, any nesting of tensors.
        stg_blocks: indices of blocks that run perturbed (spatio-temporal guidance).
        checkpointing: 0 keeps all activations, 1 recomputes those of every block in the backward pass, n
            those of every n-th. Swapped blocks always recompute: else their weights would stay until then.

    Raises:
        ModelError: when the model's blocks are to be compiled and cannot be.
    """
    learning, swap = torch.is_grad_enabled(), swap_of(model)
    step = attending(model, step_of(model, step))
    begin_pass(model)
    with nullcontext() if swap is None else swap.forward() as turn:
        for index, block in enumerate(model.transformer_blocks):
            swapped = turn is not None and index in turn
            run = turn.around(index, step) if turn is not None and swapped else through(block, step)
            arguments = (block, shared, hidden, index in stg_blocks)
            if learning and (swapped or (checkpointing and index % checkpointing == 0)):
                hidden = checkpoint(run, *arguments, use_reentrant=False)
            else:
                hidden = run(*arguments)
    return hidden
