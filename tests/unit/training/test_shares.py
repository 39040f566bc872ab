"""Two real processes against one: DDP and FSDP2, LoRA over any base, full; a checkpoint goes on in either."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from shares import CASES, FULL, HALF, STEPS, held, model_of, run

from ltx_core.training.checkpoint_folder import CHECKPOINTS, checkpoint_name
from ltx_core.training.launcher import free_port
from ltx_core.training.log import read_metrics

pytestmark = pytest.mark.prove
PROGRAM = Path(__file__).with_name("shares.py")
TIMES = ("loss", "loss_video", "loss_audio", "grad_norm")


def checkpoint(folder, step=STEPS):
    return folder / CHECKPOINTS / checkpoint_name(step)


def tensors(folder):
    """All that a training's last checkpoint holds."""
    found = sorted(checkpoint(folder).rglob("*.safetensors"))
    assert len(found) == 3  # the product, and in `state` the parameters and the moments
    return {f"{path.name}/{name}": value for path in found for name, value in load_file(path).items()}


def assert_equal(ours, theirs):
    for one, two in zip(read_metrics(ours), read_metrics(theirs), strict=True):
        assert [one[name] for name in TIMES] == pytest.approx([two[name] for name in TIMES], rel=1e-5)
    found, wanted = tensors(ours), tensors(theirs)
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-5, atol=1e-5, msg=name)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The folders of all cases by one process, and by two."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    run(one / "full-fsdp", "full-fsdp", passes=2)
    shutil.copytree(checkpoint(one / "full-fsdp", HALF), checkpoint(two / "resumed-fsdp", HALF))
    shared = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONPATH": str(PROGRAM.parents[3]),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(two)],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    for case in CASES:
        if case not in ("full-fsdp", "resumed-fsdp"):
            run(one / case, case, passes=2)
    for process in processes:
        _, errors = process.communicate(timeout=900)
        assert process.returncode == 0, errors.decode()[-4000:]
    return one, two


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("resumed")])
def test_two_processes_learn_what_one_learns(both, case):
    one, two = both
    assert_equal(two / case, one / case)


def test_each_process_holds_its_share_in_the_types_of_the_base(both):
    """No float32 copy of a frozen base, no whole copy of what is shared out; a row may be left over."""
    _, two = both
    ranks = [json.loads((two / f"held{rank}.json").read_text()) for rank in range(2)]
    for case in ("lora-fsdp", "nf4-fsdp", "full-fsdp"):
        whole = held(model_of(case)[0])
        for rank in ranks:
            assert rank[case].keys() == whole.keys()
            for kind, size in whole.items():
                shared = kind.startswith("frozen") or case in FULL
                expected = size / 2 if shared else size
                assert rank[case][kind] == pytest.approx(expected, rel=0.05), (case, kind)


def test_a_checkpoint_of_one_goes_on_in_two_and_back(both, tmp_path):
    one, two = both
    resumed = tensors(two / "resumed-fsdp")
    for name, value in tensors(one / "full-fsdp").items():
        torch.testing.assert_close(resumed[name], value, rtol=1e-5, atol=1e-5, msg=name)
    shutil.copytree(checkpoint(two / "full-fsdp", HALF), checkpoint(tmp_path / "back", HALF))
    run(tmp_path / "back", "full-fsdp", passes=2)
    unbroken = tensors(two / "full-fsdp")
    for name, value in tensors(tmp_path / "back").items():
        torch.testing.assert_close(value, unbroken[name], rtol=1e-5, atol=1e-5, msg=name)
