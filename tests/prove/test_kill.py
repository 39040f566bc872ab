"""`kill -9` at the worst moments, then the same command: nothing lost, nothing twice, the same bytes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from cli import Clone, contents, finish, new_rows, rows, running, until

from ltx_core.training.log import TIMED

STEPS = 30
CHUNKS = 13
"""25 clips, 2 in a part."""
OWN = (
    "engine.chunk_rows=2",
    f"optimization.steps={STEPS}",
    "checkpoints.interval=3",
    "validation.interval=10",
)
TRAIN = ("stage", "train", "configs/demo.yaml")


def parts(clone: Clone, stage: str = "latents") -> list[Path]:
    return list((clone.workspace / "store" / stage).glob("part-*.parquet"))


def step(folder: Path) -> int:
    """The newest checkpoint of the run in a folder, or of any below it."""
    found = folder.glob("**/checkpoints/step_*")
    return max((int(path.name.removeprefix("step_")) for path in found), default=0)


def trainer(clone: Clone) -> psutil.Process:
    """The process that trains."""
    return process(clone, "ltx_core", "train")


def process(clone: Clone, *words: str) -> psutil.Process:
    """The one process of a run whose command has all of these words."""
    (found,) = (one for one in running(clone.folder) if set(words) <= set(one.cmdline()))
    return found


def kill(process: psutil.Process) -> None:
    os.kill(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = Clone.make(tmp_path_factory.mktemp("unbroken") / "clone", *OWN)
    clone.ltx(*TRAIN)
    return clone


def assert_equal_results(ours: Clone, theirs: Clone) -> None:
    """Equal contents of all rows, bit-identical weights, equal metrics but for the times."""
    assert contents(rows(ours.workspace)) == contents(rows(theirs.workspace))
    folders = (ours.run_folder(), theirs.run_folder())
    weights = [(folder / "lora.safetensors").read_bytes() for folder in folders]
    assert weights[0] == weights[1]
    metrics = [
        pq.ParquetFile(folder / "metrics.parquet").read().drop_columns(sorted(TIMED)) for folder in folders
    ]
    assert metrics[0].num_rows == STEPS + 1  # one for the base model
    assert metrics[0].equals(metrics[1])


@pytest.mark.prove
def test_a_run_that_is_killed_again_and_again_ends_as_an_unbroken_one(unbroken: Clone, tmp_path: Path):
    clone = Clone.make(tmp_path / "clone", *OWN)

    # In the middle of latents: the command alone, as the kernel does when memory is short.
    run = clone.start(*TRAIN)
    until(lambda: len(parts(clone)) >= 3, every=0.002)
    run.kill()
    run.communicate(timeout=30)
    until(lambda: not running(clone.folder), seconds=10)
    assert 3 <= len(parts(clone)) < CHUNKS
    after_first = rows(clone.workspace)

    # In the middle of the training: the process that trains.
    run = clone.start(*TRAIN)
    until(lambda: step(clone.workspace) >= 3, seconds=200)
    kill(trainer(clone))
    output = finish(run, 1)
    assert "was killed" in output
    assert "the same command goes on from there" in output
    until(lambda: not running(clone.folder), seconds=10)
    after_second = rows(clone.workspace)
    assert new_rows(after_first, after_second)["latents"] > 0
    killed_at = step(clone.workspace)
    assert 3 <= killed_at < STEPS

    # And later in it: every process at once, as a power cut would.
    run = clone.start(*TRAIN)
    until(lambda: step(clone.workspace) >= 15, seconds=200)
    for each in running(clone.folder):
        kill(each)
    run.communicate(timeout=30)
    assert step(clone.workspace) < STEPS

    # At last Prefect's server alone: it is started again, and the run goes on.
    run = clone.start(*TRAIN)
    until(lambda: events(clone.run_folder()).count('"resumed"') == 2, seconds=200)
    kill(process(clone, "flows._serve"))
    finish(run)
    last = rows(clone.workspace)
    assert set(new_rows(after_second, last)) == {"train"}
    (row,) = last["train"].values()
    assert row.columns["resumed_from"] >= 15

    assert_equal_results(clone, unbroken)


@pytest.mark.prove
def test_a_stopped_training_is_saved_and_goes_on(fork: Clone):
    own = ("seed=7", "optimization.steps=150", "validation.interval=null")
    command = ("stage", "train", "configs/demo.yaml", *own)
    before, done = rows(fork.workspace), 0
    (item,) = fork.pipeline(*own).context.items("train")
    folder = fork.workspace / "runs" / f"demo-{item.key[:8]}"
    for begun, number, code in (("measured", signal.SIGINT, 130), ("resumed", signal.SIGTERM, 143)):
        run = fork.start(*command)
        until(lambda begun=begun: f'"{begun}"' in events(folder), seconds=200)
        time.sleep(1)  # some steps; no checkpoint but the one that the signal asks for
        assert step(folder) == done
        os.killpg(run.pid, number)  # as a terminal sends it: to the whole group
        output = finish(run, code)
        assert "the same command goes on from there" in output
        until(lambda: not running(fork.folder), seconds=10)
        assert done < step(folder) < 150
        done = step(folder)
        assert new_rows(before, rows(fork.workspace)) == {}

    fork.ltx(*command)
    after = rows(fork.workspace)
    assert new_rows(before, after) == {"train": 1}
    assert after["train"][item.key].columns["resumed_from"] == done


def events(folder: Path) -> str:
    log = folder / "log.jsonl"
    return log.read_text() if log.exists() else ""


@pytest.mark.prove
def test_two_runs_at_once_share_the_work(tmp_path: Path):
    clone = Clone.make(tmp_path / "clone", "engine.chunk_rows=3")
    command = ("stage", "latents", "configs/demo.yaml")
    both = [clone.start(*command) for _ in range(2)]
    for run in both:
        finish(run)
    until(lambda: not running(clone.folder), seconds=10)
    assert len(rows(clone.workspace)["latents"]) == 25
    assert "cached" in clone.ltx(*command)


@pytest.mark.prove
def test_a_training_that_is_stopped_alone_goes_on_within_its_run(fork: Clone):
    """As a scheduler does that takes a machine away: the run itself is not asked to end."""
    own = ("seed=8", "optimization.steps=40", "validation.interval=null")
    (item,) = fork.pipeline(*own).context.items("train")
    folder = fork.workspace / "runs" / f"demo-{item.key[:8]}"
    run = fork.start("stage", "train", "configs/demo.yaml", *own)
    until(lambda: '"measured"' in events(folder), seconds=200)
    time.sleep(0.5)
    trainer(fork).terminate()
    output = finish(run)
    assert "stopped from outside and has saved: it goes on (1 of 3)" in output
    assert [events(folder).count(f'"{name}"') for name in ("interrupted", "resumed", "finished")] == [1, 1, 1]
