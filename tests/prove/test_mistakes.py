"""A mistake or a bad disk: what and where, the rule, the fix; a non-zero exit; what is computed is kept."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from cli import Clone, environment, files, new_rows, rows, running, stage_lines, until

RUN = ("run", "configs/demo.yaml")
MIB = 1 << 20
CAPABILITIES = (1, 2, 3)
"""CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER: what lets root write where modes forbid it."""
PR_CAPBSET_DROP = 24


def without_root() -> None:
    """In a child before its program: file modes count for root as they do for all others."""
    if os.geteuid() == 0:
        for capability in CAPABILITIES:
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def limited(size: int) -> Callable[[], None]:
    """In a child before its program: no file may grow beyond `size` bytes, as on a full disk."""
    return partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    made = Clone.make(tmp_path_factory.mktemp("mistakes") / "clone")
    (made.folder / "no_video.csv").write_text("film,caption\nmorning.mp4,a caption\n")
    (made.folder / "no_text.csv").write_text("video\ndata/footage/morning.mp4\n")
    (made.folder / "torn.csv").write_text('video,caption\na.mp4,"never closed\n')
    (made.folder / "broken.yaml").write_text("dataset: [unclosed\n")
    (made.folder / "nothing").mkdir()
    (made.folder / "half").mkdir()
    shutil.copytree(made.folder / "data/model/vae", made.folder / "half/vae")
    return made


@pytest.mark.prove
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*RUN, "optimisation.steps=3"), ("optimisation", "unknown key", "did you mean 'optimization'?")),
        ((*RUN, "lora.rnk=3"), ("lora.rnk", "unknown key", "'rank'")),
        ((*RUN, "optimization.steps=many"), ("optimization.steps", "whole number", "'many'")),
        ((*RUN, "optimization.steps=-1"), ("optimization.steps", "greater than or equal to 1", "-1")),
        (
            (*RUN, "dataset.buckets=[60x64x9]"),
            ("dataset.buckets, 60x64x9", "multiple of 16; use 48"),
        ),
        ((*RUN, "model.model_path=no/model"), ("no/model", "does not exist", "model.model_path")),
        ((*RUN, "model.model_path=half"), ("half", "transformer")),
        ((*RUN, "dataset.source=no/films"), ("no/films", "does not exist", "give a folder")),
        ((*RUN, "dataset.source=nothing"), ("nothing", "no media file", "put videos there")),
        (
            (*RUN, "dataset.source=no_video.csv"),
            ("no_video.csv", "`video`", "found: film, caption", "rename"),
        ),
        (
            (*RUN, "dataset.source=no_text.csv", "dataset.captions.captioner=none"),
            ("no_text.csv", "`caption`", "found: video", "add it"),
        ),
        ((*RUN, "dataset.source=torn.csv"), ("torn.csv", "row 1", "quote")),
        (("run", "broken.yaml"), ("broken.yaml", "YAML")),
        (("run", "absent.yaml"), ("absent.yaml", "does not exist", "ltx init")),
        (("stage", "latent", "configs/demo.yaml"), ("'latent'", "latents")),
    ],
)
def test_a_mistake_says_what_where_the_rule_and_the_fix(clone: Clone, arguments, words):
    output = clone.ltx(*arguments, code=1)
    assert [word for word in words if word not in output] == [], output
    assert not (clone.workspace / "store").exists()


@pytest.mark.parametrize(
    "arguments", [("run",), ("train", "configs/demo.yaml"), ("run", "a.yaml", "--steps")]
)
def test_wrong_use_is_2(clone: Clone, arguments):
    assert "Usage" in Clone(clone.folder, ()).ltx(*arguments, code=2)


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Takes the right to write from folders, and gives it back in the end."""
    taken: list[Path] = []

    def take(folder: Path) -> None:
        for path in (folder, *folder.rglob("*")):
            if path.is_dir():
                path.chmod(0o555)
                taken.append(path)

    yield take
    for path in taken:
        path.chmod(0o755)


def test_a_read_only_workspace_is_refused_at_once(clone: Clone, read_only):
    workspace = clone.folder / "shelf"
    workspace.mkdir()
    read_only(workspace)
    output = clone.ltx(*RUN, f"workspace={workspace}", code=1, preexec_fn=without_root)
    assert str(workspace) in output
    assert "another folder" in output or "this user can write" in output
    assert list(workspace.iterdir()) == []


@pytest.mark.prove
def test_a_finished_run_can_be_read_where_nothing_can_be_written(fork: Clone, read_only):
    fork.ltx(*RUN)  # files' digests are remembered by path
    before = files(fork.workspace)
    read_only(fork.workspace)
    output = fork.ltx(*RUN, preexec_fn=without_root)
    assert stage_lines(output)["publish"].startswith("cached")
    output = fork.ltx(*RUN, "seed=7", code=1, preexec_fn=without_root)
    assert str(fork.workspace) in output
    assert files(fork.workspace) == before


@pytest.mark.prove
def test_a_folder_of_the_store_that_cannot_be_written_ends_the_run_and_keeps_the_rest(
    served: Clone, read_only
):
    before = rows(served.workspace)
    read_only(served.workspace / "store" / "train")
    output = served.ltx(*RUN, "seed=7", code=1, preexec_fn=without_root)
    assert "store/train" in output
    assert "permission denied" in output
    assert "What was computed before is kept" in output
    assert new_rows(before, rows(served.workspace)) == {}


@pytest.mark.prove
def test_a_disk_that_is_full_at_a_checkpoint_ends_the_run_and_keeps_the_rest(fork: Clone):
    command = ("stage", "train", "configs/demo.yaml", "lora.rank=256", "checkpoints.interval=3")
    before = rows(fork.workspace)
    output = fork.ltx(*command, code=1, preexec_fn=limited(12 * MIB))
    assert "checkpoints/step_000003" in output
    assert "file-size limit" in output
    assert "What was computed before is kept; run the same command again" in output
    assert new_rows(before, rows(fork.workspace)) == {}
    assert len(list(fork.workspace.glob("runs/*/checkpoints/step_*"))) == 1  # of the run before
    assert not list(fork.workspace.rglob(".tmp-*"))
    fork.ltx(*command)
    assert new_rows(before, rows(fork.workspace)) == {"train": 1}


@pytest.mark.prove
def test_a_disk_that_is_full_at_a_part_keeps_the_parts_before(fork: Clone):
    """`python -m ltx_core worker`, since Prefect's database alone is larger than any part of the demo."""
    (part,) = (fork.workspace / "store" / "latents").glob("*.parquet")
    part.unlink()
    kept = rows(fork.workspace)
    fork = Clone(fork.folder, (*fork.overrides, "engine.chunk_rows=5"))
    chunks = fork.pipeline().plan("latents").chunks
    room = 12 * 1024  # a part of five rows is larger, one of two rows smaller
    answers = ask(fork, [chunks[0][:2], *chunks[1:]], preexec_fn=limited(room))
    assert answers[0]["manifest"]["ok"] == 2
    assert all(answer["user"] and "file-size limit" in answer["error"] for answer in answers[1:])
    now = rows(fork.workspace)
    assert new_rows(kept, now) == {"latents": 2}
    assert not list(fork.workspace.rglob(".tmp-*"))
    assert sum("manifest" in answer for answer in ask(fork, chunks)) == len(chunks)
    assert new_rows(now, rows(fork.workspace)) == {"latents": 23}


def ask(clone: Clone, chunks: list[list[str]], **options) -> list[dict]:
    """What a worker answers when it is asked for chunks of latents."""
    base = {"config": str(clone.folder / "configs/demo.yaml"), "overrides": list(clone.overrides)}
    lines = [
        json.dumps({**base, "base_dir": str(clone.folder), "stage": "latents", "chunk": chunk})
        for chunk in chunks
    ]
    command = [sys.executable, "-P", "-m", "ltx_core", "worker"]
    done = subprocess.run(
        command,
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        cwd=clone.folder,
        env=environment(clone.folder),
        check=True,
        timeout=200,
        **options,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return [answer for answer in answers if "progress" not in answer]


@pytest.mark.prove
def test_a_disk_too_full_for_prefect_is_a_message(fork: Clone):
    shutil.rmtree(fork.workspace / "prefect")
    output = fork.ltx(*RUN, "seed=7", code=1, preexec_fn=limited(MIB // 2))
    assert str(fork.workspace / "prefect") in output
    assert "Free some space" in output
    until(lambda: not running(fork.folder))
