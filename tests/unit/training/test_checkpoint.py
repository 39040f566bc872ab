"""Checkpoints on a real disk: torn ones, retention, a full disk."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ltx_core.errors import StoreError
from ltx_core.store.disk import TEMPORARY_PREFIX
from ltx_core.training.checkpoint import (
    HELD,
    TrainingState,
    checkpoints,
    hold,
    latest,
    load_state,
    retain,
    save_checkpoint,
)


def export(folder, step):
    save_file({"weight": torch.full((4,), float(step))}, folder / "lora.safetensors")


def state(step, size=4):
    return TrainingState(
        step,
        "identity",
        {"layer.weight": torch.arange(size).float()},
        {"layer.weight/exp_avg": torch.ones(size), "layer.weight/step": torch.tensor(float(step))},
        {"bad_steps": 0, "scale": 0.1 + 0.2},
    )


def save(root, step):
    return save_checkpoint(root, step, export, state(step))


def test_state_survives_exactly(tmp_path):
    found = load_state(save(tmp_path, 250))
    assert (tmp_path / "step_000250" / "lora.safetensors").exists()
    assert (found.step, found.identity, found.numbers) == (
        250,
        "identity",
        {"bad_steps": 0, "scale": 0.1 + 0.2},
    )
    assert found.optimizer["layer.weight/step"].shape == ()
    assert torch.equal(found.parameters["layer.weight"], torch.arange(4).float())


def truncate(path):
    path.write_bytes(path.read_bytes()[:-3])


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("manifest.json", Path.unlink),
        ("manifest.json", truncate),
        ("lora.safetensors", truncate),
        ("state/optimizer.safetensors", Path.unlink),
        ("state/parameters.safetensors", flip),
    ],
)
def test_a_torn_one_is_never_taken(tmp_path, name, harm):
    whole = save(tmp_path, 10)
    harm(save(tmp_path, 20) / name)
    assert latest(tmp_path, with_state=True) == whole
    again = save(tmp_path, 20)
    assert latest(tmp_path, with_state=True) == again, "a torn one is replaced"


def test_retention_keeps_the_newest(tmp_path):
    for step in (1, 2, 3, 4):
        save(tmp_path, step)
    assert retain(tmp_path, -1) == []
    assert [path.name for path in retain(tmp_path, 2)] == ["step_000001", "step_000002"]
    retain(tmp_path, 0)
    assert [path.name for path in checkpoints(tmp_path)] == ["step_000004"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_000004"]


def test_retention_leaves_the_best_alone_and_what_another_run_began_with(tmp_path):
    for step in range(1, 7):
        save(tmp_path, step)
    hold(tmp_path / "step_000003", "other-run")
    retain(tmp_path, 1, also=[2])
    kept = ["step_000002", "step_000003", "step_000006"]
    assert [path.name for path in checkpoints(tmp_path)] == kept
    assert load_state(tmp_path / "step_000003").step == 3, "the mark does not harm it"
    (tmp_path / "step_000003" / HELD).unlink()
    retain(tmp_path, 1)
    assert [path.name for path in checkpoints(tmp_path)] == kept[-1:]


def test_what_a_killed_save_left_is_gone_with_the_next_one(tmp_path):
    half = tmp_path / f"{TEMPORARY_PREFIX}step_000001-kill"
    half.mkdir()
    (half / "lora.safetensors").write_bytes(bytes(1000))

    def broken(folder, step):
        assert not half.exists(), "before anything is written: it may be what fills the disk"
        (folder / "lora.safetensors").write_bytes(bytes(1000))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, 2, broken, state(2))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_ones(tmp_path):
    """A limit on the size of files stands for a full disk; the child gets it, not this process."""
    save(tmp_path, 1)

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    code = (
        "import signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from test_checkpoint import export, state\n"
        "from ltx_core.training.checkpoint import save_checkpoint; from ltx_core.errors import StoreError\n"
        "try:\n    save_checkpoint(Path(sys.argv[1]), 2, export, state(2, size=100_000))\n"
        "except StoreError as error:\n    print(error)\n"
    )
    paths = [str(Path(__file__).parents[3]), str(Path(__file__).parent)]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), *paths],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "file-size limit" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["step_000001"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        save(tmp_path / "file", 1)
