"""The average of weights that two processes share out: that of one process, exported whole."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import shares
import torch
from safetensors.torch import load_file

from ltx_core.models.full import WEIGHTS
from ltx_core.training.checkpoint import STATE, latest
from ltx_core.training.launcher import free_port
from ltx_core.training.loop import CHECKPOINTS

HERE = Path(__file__).parent
CASE = "full-fsdp"
PROGRAM = "import sys, pathlib, test_average_shared as it; it.run(pathlib.Path(sys.argv[1]), 1)"


def run(folder, passes):
    """Train with an average; the options of the case are else as they are."""
    torch.set_num_threads(1)
    plain = shares.OptimizationOptions
    shares.OptimizationOptions = functools.partial(plain, ema_decay=0.5, ema_warmup=False)
    try:
        shares.run(folder, CASE, passes)
    finally:
        shares.OptimizationOptions = plain


@pytest.mark.prove
def test_the_average_of_shards_is_that_of_whole_weights(tmp_path):
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    shared |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    shared["PYTHONPATH"] = os.pathsep.join((str(HERE), str(HERE.parents[2])))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "two")],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()[-4000:]
    run(tmp_path / "one", 2)
    one, two = (latest(tmp_path / name / CHECKPOINTS) for name in ("one", "two"))
    for name in (f"transformer/{WEIGHTS}", f"{STATE}/ema.safetensors", f"{STATE}/parameters.safetensors"):
        wanted, found = load_file(one / name), load_file(two / name)
        assert wanted.keys() == found.keys()
        for key, value in wanted.items():
            torch.testing.assert_close(found[key], value, rtol=1e-5, atol=1e-5, msg=key)
    product, own = load_file(two / "transformer" / WEIGHTS), load_file(two / STATE / "parameters.safetensors")
    averages = load_file(two / STATE / "ema.safetensors")
    moved = [key for key in own if not torch.equal(own[key], averages[key])]
    assert len(moved) > len(own) / 2
    assert all(torch.equal(product[key], averages[key]) for key in own)
