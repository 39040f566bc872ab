"""Batches of a token budget, shares, prior samples and smaller last batches, in steps and whole trainings."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from toy import CLIPS, assemble_toy, contexts, reader, run

from ltx_core.training.counts import Share
from ltx_core.training.draws import Draws
from ltx_core.training.log import TIMED, read_metrics
from ltx_core.training.step import StepOptions, count_samples, prepare, training_step

IDS = ("clip0", "clip2", "clip3")
ROOT = Path(__file__).parents[3]
TOKENS = {"wide": 12, "tall": 6}
BUDGET = {"batch_size": 3, "batch_tokens": 24, "fill": "short", "scheduler_type": "constant", "dropout": 0}
"""Two of the wide, three of the tall."""


def gradient(weights, ids=IDS, counts=None):
    """(gradient of a parameter that every prediction is scaled by, result) of samples with weights."""
    ready = prepare(reader()(ids), ids, Draws(7, 0), assemble_toy, StepOptions(), weights)
    scale = torch.full((), 0.5, requires_grad=True)

    def predict(tracks, inputs, timesteps, levels, contexts):
        return {name: scale * value for name, value in inputs.items()}

    result = training_step(ready, predict, contexts, StepOptions(), counts or count_samples([ready]))
    result.total.backward()
    return scale.grad, result


def test_a_weight_of_one_changes_no_bit_and_another_scales_its_sample_alone():
    plain, result = gradient(None)
    ones, same = gradient([1.0, 1.0, 1.0])
    assert torch.equal(plain, ones) and torch.equal(result.total, same.total)
    means = sum(loss.sum() / 3 for loss in result.losses.values())
    assert torch.equal(result.total, means.detach()), "the sum over the samples' number, as without weights"
    counts = {"video": 3, "audio": 3}
    alone = [gradient([1.0], (name,), counts)[0] for name in IDS]
    weighted, half = gradient([1.0, 0.25, 1.0])
    torch.testing.assert_close(weighted, alone[0] + 0.25 * alone[1] + alone[2])
    assert torch.equal(half.losses["video"], result.losses["video"]), "losses are told without weights"


def test_a_weight_of_zero_does_not_count():
    without, _ = gradient(None, IDS[:2])
    idle, result = gradient([1.0, 1.0, 0.0])
    torch.testing.assert_close(idle, without)
    assert result.counted["video"].tolist() == [True, True, False]


def seen(folder, epochs):
    """Steps of each epoch by bucket, and how often each clip came."""
    rows = read_metrics(folder)
    assert all({CLIPS[name] for name in row["clips"]} == {row["bucket"]} for row in rows)
    sizes = [
        Counter((row["bucket"], row["samples"]) for row in rows if row["epoch"] == e) for e in range(epochs)
    ]
    names = [Counter(n for row in rows if row["epoch"] == e for n in row["clips"]) for e in range(epochs)]
    return sizes, names


def test_epochs_of_a_token_budget_are_exact(tmp_path):
    """Five wide clips, two in a batch; three tall ones in one batch."""
    run(tmp_path, steps=8, tokens=TOKENS, **BUDGET)
    sizes, names = seen(tmp_path, 2)
    assert sizes == [{("wide", 2): 2, ("wide", 1): 1, ("tall", 3): 1}] * 2
    assert names == [dict.fromkeys(CLIPS, 1)] * 2
    first = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[0])
    assert first["epoch_steps"] == 4
    assert first["buckets"] == {"wide": {"clips": 5, "batch": 2}, "tall": {"clips": 3, "batch": 3}}
    for row in read_metrics(tmp_path):
        video, audio = 12, 3
        assert row["tokens"] == row["samples"] * (video + audio)


def test_shares_and_prior_samples(tmp_path):
    shares = {"clip0": Share.of(3, 1), "clip7": Share.of(1, 0.5)}
    changes = {"tokens": TOKENS, "shares": shares, "prior": frozenset(("clip0",)), **BUDGET}
    run(tmp_path / "half", steps=10, prior_loss_weight=0.5, **changes)
    _, names = seen(tmp_path / "half", 2)
    for number in range(2):
        assert names[number]["clip0"] == 3
        assert all(names[number][name] == 1 for name in CLIPS if name not in shares)
    assert names[0]["clip7"] + names[1]["clip7"] == 1
    run(tmp_path / "whole", steps=1, **changes)
    run(tmp_path / "first", steps=1, prior_loss_weight=0.5, **changes)
    whole, half = (read_metrics(tmp_path / name)[0] for name in ("whole", "first"))
    assert whole["loss_video"] == half["loss_video"]
    assert ("clip0" in whole["clips"]) == (half["loss"] < whole["loss"])


def child(folder, rank, port, **changes):
    own = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "PYTHONPATH": str(ROOT)}
    own |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).with_name("toy.py")), str(folder), json.dumps(changes)]
    return subprocess.Popen(command, env=os.environ | own, stderr=subprocess.PIPE)


@pytest.mark.prove
def test_two_processes_go_on_where_one_was(tmp_path):
    """Batches of 1, 2 and 3 samples on two processes: uneven shares, and one that is idle."""
    changes = {"tokens": TOKENS, **BUDGET}
    run(tmp_path / "one", steps=10, **changes)
    run(tmp_path / "two", steps=3, **changes)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for process in [child(tmp_path / "two", rank, port, steps=10, **changes) for rank in range(2)]:
        assert process.wait(120) == 0, process.stderr.read().decode()
    one, two = ([without(row, TIMED) for row in read_metrics(tmp_path / name)] for name in ("one", "two"))
    assert len(one) == len(two) == 10
    for ours, theirs in zip(two, one, strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            assert ours[name] == value or ours[name] == pytest.approx(value, rel=1e-5), name


def without(row, times):
    return {name: value for name, value in row.items() if name not in times}
