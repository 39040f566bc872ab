"""The estimated peak of a process that shares the weights out, against what two real processes take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import memory_cases
import pytest
import torch
from memory_cases import Case, allocated, config_of

from ltx_core.models.memory.shape import transformer_shape
from ltx_core.models.memory.sharing import Share
from ltx_core.models.memory.training import Learning, activations, recomputed_blocks, training_peak
from ltx_core.models.memory.weights import transformer_bytes
from ltx_core.models.sharding import local, shard_blocks, through
from ltx_core.training.launcher import free_port

HERE = Path(__file__).parent
LAYERS = 12
CASES = (
    (Case("2.3", "bf16", ("video",), 60), 1),
    (Case("2.3", "bf16", ("video",), 240), 0),
    (Case("2.0", "bf16", ("video",), 60, full=True), 0),
)
"""What trains, and which blocks recompute."""


def numbers_of(model: Any, case: Case, every: int, processes: int) -> int:
    """The estimate: weights, gradients and activations, without the moments, which no step here makes."""
    shape = transformer_shape(config_of(case.family, LAYERS), case.modalities)
    recomputed = recomputed_blocks(LAYERS, every)
    kept = activations(shape, case.load, case.numbers(model), recomputed)
    sizes = {name: (tuple(p.shape), p.requires_grad) for name, p in model.named_parameters()}
    frozen = {name: size for name, (size, learns) in sizes.items() if not learns}
    learned = {name: size for name, (size, learns) in sizes.items() if learns and case.full}
    width = 2 if case.precision == "bf16" and not case.full else 4
    share = Share(processes, transformer_bytes(frozen, width), transformer_bytes(learned, 4))
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    whole = Learning(count, half=case.precision == "bf16", gpu=False, moments=0)
    return training_peak(share.weights(), share.learning(whole), share.kept(kept, whole, len(recomputed)))


def main() -> None:
    """One of the processes: prints the estimates for one and for these, and the measured peaks."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    plain, found = memory_cases.transformer_forward, []
    memory_cases.transformer_forward = lambda model, *given, **named: through(model, plain)(
        model, *given, **named
    )
    for case, every in CASES:
        model = case.model(LAYERS)
        alone, expected = (numbers_of(model, case, every, count) for count in (1, 2))
        shard_blocks(model, "cpu", adapters=not case.full)
        own = sum(local(parameter.detach()).nbytes for parameter in model.parameters())
        case.step(model, every)  # what is made once
        model.zero_grad(set_to_none=True)
        found.append((alone, expected, own + allocated(lambda m=model, c=case, e=every: c.step(m, e))))
    torch.distributed.destroy_process_group()
    sys.stdout.write(json.dumps(found))


@pytest.mark.prove
def test_the_peak_of_a_process_that_shares_weights_out_is_not_underestimated():
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    shared |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    shared["PYTHONPATH"] = os.pathsep.join((str(HERE), str(HERE.parents[1]), str(HERE.parents[2])))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", "import test_memory_shared; test_memory_shared.main()"],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        output, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors[-4000:]
        for (case, _), (alone, expected, measured) in zip(CASES, json.loads(output), strict=True):
            # The next block's weights are on their way while one runs: on a CPU they come when it is done.
            assert 1.0 <= expected / measured < 1.4, (case, expected, measured)
            assert expected < alone
