"""Films of three shapes at two lengths and stills in mixed batches; a killed run ends as an unbroken one."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from cli import Clone, finish, running, until

from data.make.mixed import make_mixed
from ltx_core.run import Pipeline
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.mixture import order_of, shape_tokens
from ltx_core.store.dataset import Sample
from ltx_core.training.log import TIMED

STEPS = 32
BUCKETS = "96x48x9, 96x48x5, 96x48x1, 48x96x9, 48x96x5, 48x96x1, 64x64x9, 64x64x5, 64x64x1"
OWN = (
    "dataset.source=data/mixed",
    f"dataset.buckets=[{BUCKETS}]",
    "dataset.max_rejected_fraction=0.9",
    "training_strategy={video: {}}",
    f"optimization.steps={STEPS}",
    "optimization.batch_size=4",
    "optimization.caption_dropout=0.2",
    "checkpoints.interval=4",
    "validation.interval=null",
    "validation.heldout_samples=0",
)
BUDGET = ("optimization.batch_tokens=200", "optimization.batch_size=16", "optimization.fill=short")
TIMES = sorted(TIMED)
TRAIN = ("stage", "train", "configs/t2v_lora.yaml")


@dataclass(frozen=True)
class Trained:
    """A finished training and what it was made of."""

    rows: list[dict[str, Any]]
    samples: list[Sample]
    pipe: Pipeline
    folder: Path


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with footage."""
    clone = Clone.make(tmp_path_factory.mktemp("mixed") / "clone", *OWN)
    make_mixed(clone.folder / "data" / "mixed", films=1, stills=2)
    return clone


def train(clone: Clone, *overrides: str) -> None:
    """The training and what it needs, in this process."""
    pipe = clone.pipeline(*overrides, config="t2v_lora")
    for stage in pipe.stages("train"):
        for chunk in pipe.plan(stage).chunks:
            pipe.compute(stage, chunk)


def trained(clone: Clone, *overrides: str) -> Trained:
    pipe = clone.pipeline(*overrides, config="t2v_lora")
    ((_, row),) = pipe.context.results("train")
    folder = clone.workspace / "runs" / Path(row.columns["run"]).name
    _, samples = load_samples(pipe.context)
    rows = pq.ParquetFile(folder / "metrics.parquet").read().to_pylist()
    return Trained(
        [one for one in rows if one["step"]], [s for s in samples if s.split == "train"], pipe, folder
    )


def epochs(rows: list[dict[str, Any]]) -> list[Counter[str]]:
    """How often each clip came in every whole epoch, as the run's own records say."""
    last = rows[-1]["epoch"]
    return [Counter(n for row in rows if row["epoch"] == e for n in row["clips"]) for e in range(last)]


def assert_mixed(found: Trained) -> None:
    """Every step is of one bucket and finite; every bucket has come, stills and both lengths of films."""
    shape = {sample.clip_id: sample.shape for sample in found.samples}
    assert len(found.rows) == STEPS
    for row in found.rows:
        assert {shape[name] for name in row["clips"]} == {row["bucket"]}
        assert row["samples"] == len(row["clips"])
        assert row["loss"] == row["loss_video"] < 10 and not row["skipped"]
    seen = {row["bucket"].split("@")[0] for row in found.rows}
    assert seen == {sample.bucket for sample in found.samples}
    assert {name.rpartition("x")[2] for name in seen} == {"9", "5", "1"}
    assert {name.rpartition("x")[0] for name in seen} == {"96x48", "48x96", "64x64"}


@pytest.mark.prove
def test_a_fixed_batch_of_four_shows_every_sample_in_every_epoch(clone: Clone):
    train(clone)
    found = trained(clone)
    assert_mixed(found)
    assert {row["samples"] for row in found.rows} == {4}
    sizes = Counter(sample.shape for sample in found.samples)
    assert len(epochs(found.rows)) >= 2
    for seen in epochs(found.rows):
        assert seen.keys() == {sample.clip_id for sample in found.samples}
        for sample in found.samples:
            own = -(-sizes[sample.shape] // 4) * 4 / sizes[sample.shape]
            assert int(own) <= seen[sample.clip_id] <= -(-own // 1), "filling up is even"
    events = [json.loads(line) for line in (found.folder / "log.jsonl").read_text().splitlines()]
    assert events[0]["epoch_steps"] == sum(-(-count // 4) for count in sizes.values())


@pytest.mark.prove
def test_a_token_budget_is_exact_and_goes_on_exactly_after_a_kill(clone: Clone, tmp_path: Path):
    """Killed in the middle of an epoch, then with another number of steps read ahead."""
    train(clone, *BUDGET)
    unbroken = trained(clone, *BUDGET)
    assert_mixed(unbroken)
    tokens = shape_tokens(unbroken.pipe.context, unbroken.samples)
    for row in unbroken.rows:
        assert row["tokens"] == row["samples"] * tokens[row["bucket"]] <= 200
    assert len({row["samples"] for row in unbroken.rows}) > 2
    whole = dict.fromkeys((sample.clip_id for sample in unbroken.samples), 1)
    assert len(epochs(unbroken.rows)) >= 2
    assert all(seen == whole for seen in epochs(unbroken.rows)), "each sample once, in every epoch"

    product = (unbroken.folder / "lora.safetensors").read_bytes()
    metrics = pq.ParquetFile(unbroken.folder / "metrics.parquet").read().drop_columns(TIMES)
    unbroken.folder.rename(tmp_path / "unbroken")
    run = clone.start(*TRAIN, *BUDGET, "data.num_dataloader_workers=0")
    until(lambda: newest(unbroken.folder) >= 8, seconds=200, every=0.005)
    os.kill(trainer(clone).pid, signal.SIGKILL)
    finish(run, 1)
    until(lambda: not running(clone.folder), seconds=20)
    killed_at = newest(unbroken.folder)
    order = order_of(unbroken.pipe.context, unbroken.samples)
    assert 0 < killed_at < STEPS and order.epoch_of(killed_at) == order.epoch_of(killed_at - 1), "mid-epoch"
    clone.ltx(*TRAIN, *BUDGET, "data.num_dataloader_workers=3")
    again = trained(clone, *BUDGET)
    assert again.folder == unbroken.folder
    assert '"resumed"' in (again.folder / "log.jsonl").read_text()
    assert (again.folder / "lora.safetensors").read_bytes() == product
    assert pq.ParquetFile(again.folder / "metrics.parquet").read().drop_columns(TIMES).equals(metrics)


def newest(folder: Path) -> int:
    """The newest checkpoint of a run."""
    found = folder.glob("checkpoints/step_*")
    return max((int(path.name.removeprefix("step_")) for path in found), default=0)


def trainer(clone: Clone) -> psutil.Process:
    """The process that trains."""
    (found,) = (one for one in running(clone.folder) if {"ltx_core", "train"} <= set(one.cmdline()))
    return found
