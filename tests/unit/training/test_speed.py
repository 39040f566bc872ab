"""What a run says of its speed, what a preflight tries, and how far reading goes ahead."""

from __future__ import annotations

import json
import threading

import pytest
import torch
from toy import accelerator as one
from toy import make, run

from ltx_core.training import speed
from ltx_core.training.data import Ahead
from ltx_core.training.log import TIMED, read_metrics
from ltx_core.training.loop import TrainingError, train
from ltx_core.training.speed import Pace, Speed, known_peak

CPU = torch.device("cpu")
ROW = {"seconds": 0.5, "tokens": 600, "samples": 4, "bucket": "wide", "data_wait": 0.1}


def events(folder, name):
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == name]


def test_a_run_tells_where_its_time_went(tmp_path):
    run(tmp_path, steps=6, interval=2, pause=0.01)
    rows = read_metrics(tmp_path)
    for row in rows:
        parts = [row[f"{part}_seconds"] for part in ("forward", "backward", "optimizer")]
        assert min(parts) > 0 and sum(parts) + row["data_wait"] <= row["seconds"]
        assert row["forward_seconds"] > 0.01, "the model's pause is in its forward pass"
        assert row["tokens_per_second"] == pytest.approx(row["tokens"] / row["seconds"])
        assert row["peak_bytes"] > 50 << 20 and row["mfu"] is None
    assert [row["hooks_seconds"] > 0.001 for row in rows] == [False, False, True, False, True, False], "saves"
    (found,) = events(tmp_path, "finished")
    assert sum(found["shares"].values()) == pytest.approx(1, abs=1e-3)
    assert found["shares"]["forward"] > found["shares"]["optimizer"] > 0
    each = sum(row["tokens"] for row in rows) / sum(row["samples"] for row in rows)
    assert found["tokens_per_second"] == pytest.approx(found["samples_per_second"] * each, rel=1e-3)


def test_utilisation_is_of_what_the_result_needs_over_what_all_devices_could(monkeypatch):
    monkeypatch.setattr(speed, "peak_flops", lambda device: 1e12)
    assert Speed(Pace({"wide": 2e10}), CPU, "bf16", 2).row(ROW)["mfu"] == pytest.approx(4 * 2e10 / 0.5 / 2e12)
    assert Speed(Pace({"wide": 2e10}), CPU, "no").row(ROW)["mfu"] is None, "a peak in 16 bits is no other's"
    assert Speed(Pace({"tall": 2e10}), CPU, "bf16").row(ROW)["mfu"] is None


def test_peaks_are_those_of_the_named_device_or_unknown():
    expected = {
        "NVIDIA H200": 989e12,
        "NVIDIA H100 80GB HBM3": 989e12,
        "NVIDIA H100 PCIe": 756e12,
        "NVIDIA A100-SXM4-80GB": 312e12,
        "NVIDIA L40S": 362e12,
        "NVIDIA L4": 121e12,
        "NVIDIA GeForce RTX 4090": 165.2e12,
        "NVIDIA GeForce GTX 1080": None,
    }
    assert {name: known_peak(name) for name in expected} == expected


def test_a_preflight_tries_the_largest_batch_and_changes_nothing(tmp_path):
    tokens = {"wide": 12, "tall": 40}
    for name, tried in (("plain", None), ("tried", True)):
        run(tmp_path / name, steps=4, dropout=0.3, tokens=tokens, pace=Pace(preflight=tried))
    plain, tried = (
        [{k: v for k, v in row.items() if k not in TIMED} for row in read_metrics(tmp_path / name)]
        for name in ("plain", "tried")
    )
    assert plain == tried and len(plain) == 4
    weights = [
        (tmp_path / name / "checkpoints" / "step_000004" / "lora.safetensors").read_bytes()
        for name in ("plain", "tried")
    ]
    assert weights[0] == weights[1]
    assert events(tmp_path / "plain", "preflight") == []
    (found,) = events(tmp_path / "tried", "preflight")
    assert (found["bucket"], found["samples"]) == ("tall", 2) and found["peak_bytes"] > 0


def test_what_does_not_fit_is_found_before_the_first_step(tmp_path):
    plan, parts = make(tmp_path, tokens={"tall": 40, "wide": 12}, pace=Pace(preflight=True))
    seen = []

    def predict(tracks, *rest):
        seen.append(tracks["video"].clean.shape)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    object.__setattr__(parts, "predict", predict)
    with pytest.raises(TrainingError, match="tall"):
        train(plan, parts, one())
    assert len(seen) == 1 and read_metrics(tmp_path) == []


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_workers_are_steps_that_are_read_while_one_is_taken(workers):
    made, enough = [], threading.Event()

    def make_step(step):
        made.append(step)
        if len(made) == workers + 1:
            enough.set()
        return step

    with Ahead(make_step, range(6), workers) as ahead:
        assert ahead.next() == 0
        assert enough.wait(10) and made == list(range(workers + 1))
        assert [ahead.next() for _ in range(5)] == [1, 2, 3, 4, 5]


def test_fusing_is_for_a_gpu(tmp_path):
    with pytest.raises(Exception, match=r"fused_optimizer: true` needs a GPU"):
        run(tmp_path, steps=2, pace=Pace(fused=True))
