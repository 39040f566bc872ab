"""Two real processes: all save where one has no memory; a stop reaches what is done beside the steps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toy import make

from ltx_core.training.checkpoint import STATE, latest
from ltx_core.training.checkpoint_folder import checkpoint_name
from ltx_core.training.device import make_accelerator
from ltx_core.training.interrupts import EXIT_INTERRUPTED
from ltx_core.training.launcher import free_port
from ltx_core.training.loop import CHECKPOINTS, train
from ltx_core.training.options import AccelerationOptions
from ltx_core.training.plan import Hook
from ltx_core.training.processes import place
from ltx_core.training.spread import spread
from ltx_core.training.watch import TrainingError

HERE = Path(__file__).parent
PROGRAM = "import sys, pathlib, test_shared_shortage as it; it.main(pathlib.Path(sys.argv[1]), sys.argv[2])"
STEPS, FAILS, ITEMS = 6, 4, 400


def main(folder, way):
    """One process's part of a training in which process 1 has no memory for a step or for a sample."""
    options = AccelerationOptions(mixed_precision_mode="no", device="cpu", threads=1, processes=place().world)
    accelerator = make_accelerator(options)
    plan, parts = make(
        folder, steps=STEPS, interval=FAILS - 1 if way == "on" else 100, keep_last_n=-1, ahead=0
    )
    passes, predict = iter(range(1, 1000)), parts.predict

    def short(*arguments):
        if way == "step" and place().rank == 1 and next(passes) == FAILS:
            raise torch.OutOfMemoryError("Tried to allocate 7.00 GiB")
        return predict(*arguments)

    def work(item):
        (folder / f"item{item}").touch()
        if way == "sample" and item == 3:
            raise torch.OutOfMemoryError("Tried to allocate 7.00 GiB")
        time.sleep(0.1 if way == "stop" else 0.0)

    hook = Hook(lambda step: spread(accelerator, range(ITEMS), work) and None, every=FAILS - 1)
    try:
        train(plan, replace(parts, predict=short), accelerator, [hook])
    except TrainingError as error:
        sys.exit(str(error))


def start(folder, way):
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    shared |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    shared["PYTHONPATH"] = os.pathsep.join((str(HERE), str(HERE.parents[2])))
    folder.mkdir(exist_ok=True)
    return [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), way],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


def ended(processes, code):
    found = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [code, code], found
    return found


def state(folder):
    """The files of the state after the step before the one that fails."""
    own = folder / CHECKPOINTS / checkpoint_name(FAILS - 1) / STATE
    return {path.name: path.read_bytes() for path in own.glob("*.safetensors")}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    ended(start(folder, "on"), 0)
    assert state(folder)
    return state(folder)


@pytest.mark.prove
@pytest.mark.parametrize("way", ["step", "sample"])
def test_where_one_process_has_no_memory_all_say_so_and_the_state_is_saved(tmp_path, unbroken, way):
    for said in ended(start(tmp_path / "run", way), 1):
        assert "out of memory" in said
        assert "7.00 GiB" in said
        assert f"The state of step {FAILS - 1} is saved." in said
    assert latest(tmp_path / "run" / CHECKPOINTS).name == f"step_{FAILS - 1:06d}"
    assert state(tmp_path / "run") == unbroken


@pytest.mark.prove
def test_several_processes_stop_between_two_rounds_of_what_is_done_beside_the_steps(tmp_path):
    processes = start(tmp_path / "run", "stop")
    deadline = time.monotonic() + 200
    while not (tmp_path / "run" / "item9").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGTERM)
    ended(processes, EXIT_INTERRUPTED)
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    (told,) = (line for line in lines if line["event"] == "interrupted")
    assert told["step"] == FAILS - 1
    assert len(list((tmp_path / "run").glob("item*"))) < ITEMS / 2
    assert latest(tmp_path / "run" / CHECKPOINTS).name == f"step_{FAILS - 1:06d}"
