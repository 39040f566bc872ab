"""The command line: help with examples, exit codes, no Prefect where nothing runs, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import psutil
import pytest
from fake_pipeline import ROWS, FakePipeline

ROOT = Path(__file__).resolve().parents[2]
LTX = (sys.executable, "-m", "flows.cli")
COMMANDS = ("run", "demo", "stage", "plan", "check", "show", "compare", "sample", "export", "init")
COMMANDS += (
    "store verify",
    "store gc",
    "store import",
    "store export clips",
    "config migrate",
    "config show",
    "config schema",
)

FAKE_RUN = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from fake_pipeline import FakePipeline
from tasks import _work
folder = Path(sys.argv[1])
pipeline = FakePipeline(folder)
_work.Job.open = lambda self: pipeline
_work.WORKER, _work.TRAIN = ((sys.executable, {fake!r}, kind, str(folder)) for kind in ("worker", "train"))
sys.argv = ["ltx", "run", "fake.yaml", *sys.argv[2:]]
from flows.cli import main
try:
    main()
finally:
    print("imported:", [name for name in ("prefect", "torch") if name in sys.modules], flush=True)
""".format(tests=str(Path(__file__).parent), fake=str(Path(__file__).with_name("fake_pipeline.py")))


def ltx(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    return subprocess.run([*LTX, *arguments], capture_output=True, text=True, cwd=cwd, env=env, check=False)


def fake_run(folder: Path, *overrides: str) -> subprocess.Popen[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    env |= {"PREFECT_HOME": str(folder / "no-profile"), "HOME": str(folder)}
    command = [sys.executable, "-c", FAKE_RUN, str(folder), *overrides]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, text=True, cwd=ROOT, env=env, **pipes)


def prepared(folder: Path) -> None:
    """Everything before the training is in the fake's store."""
    pipeline = FakePipeline(folder)
    for name in pipeline.stages("dataset"):
        pipeline.compute(name, [key for chunk in pipeline.plan(name).chunks for key in chunk])


@cache
def shown_help(command: str) -> subprocess.CompletedProcess[str]:
    """What `ltx COMMAND --help` does; a process each, asked once."""
    return ltx(*command.split(), "--help")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str):
    help_text = shown_help(command)
    assert help_text.returncode == 0
    assert f"Example: ltx {command}" in help_text.stdout


SAMPLE_OPTIONS = {
    *("--prompt", "--seed", "--strength", "--dims", "--lora"),
    *("--image", "--prefix", "--suffix", "--span", "--reference", "--beside"),
    *("--video", "--audio", "--mask", "--crop"),
}
"""A user's own files and the axes of a grid are no fields of a config."""
EXPORT_OPTIONS = {"--size", "--to", "--model", "--strength", "--alpha", "--only-transformer"}
"""Nor is what another program shall read of a file that may have no config."""
PLAN_OPTIONS = {"--gpu-memory", "--calibrate", "--rebucket", "--yes"}
"""Nor is the machine that a plan is made for."""

SHOW_OPTIONS = {"--clips", "--decode", "--no-page", "--open"}
"""Nor is how much of a dataset is looked at."""


def test_commands_take_a_config_and_overrides_and_few_options():
    """No option per field of the config: `key=value` sets any of them."""
    found = {
        line.split()[0]
        for command in COMMANDS
        for line in shown_help(command).stdout.splitlines()
        if line.strip().startswith("-")
    }
    beside = SAMPLE_OPTIONS | EXPORT_OPTIONS | PLAN_OPTIONS | SHOW_OPTIONS
    assert found >= beside
    options = found - beside
    known = {"--help", "--workspace", "--output,", "-o,", "--repair", "--dry-run", "--force"}
    assert options == known & options
    assert len(options) <= 6


def test_help_imports_neither_prefect_nor_torch():
    program = "import sys, flows.cli; print([n for n in ('prefect', 'torch', 'pyarrow') if n in sys.modules])"
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments", [("run",), ("nothing",), ("run", "a.yaml", "--steps", "3"), ("stage", "clips")]
)
def test_wrong_use_exits_with_2(arguments: tuple[str, ...]):
    assert ltx(*arguments).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "nothing.yaml"), "nothing.yaml does not exist"),
        (("plan", "configs/demo.yaml", "optimisation.steps=3"), "unknown key; did you mean 'optimization'"),
        (("plan", "configs/demo.yaml", "optimization.steps=many"), "optimization.steps"),
        (("plan", "configs/demo.yaml", "steps"), "not key=value"),
        (("stage", "clip", "configs/demo.yaml"), "no stage is named 'clip'"),
        (("run", "configs/demo.yaml", "dataset.source=/nowhere"), "/nowhere does not exist"),
        (("show", "configs/demo.yaml", "dataset", "--decode"), "--decode takes a clip"),
        (("show", "configs/demo.yaml", "dataset", "workspace=/tmp/nothing-ran-here"), "nothing to show yet"),
        (("store", "verify", "configs/demo.yaml", "workspace=/nowhere"), "there is no store"),
    ],
)
def test_a_mistake_is_a_message_and_exits_with_1(arguments: tuple[str, ...], message: str):
    result = ltx(*arguments)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_run_computes_and_the_second_is_cached_without_prefect(tmp_path: Path):
    first = fake_run(tmp_path)
    output, _ = first.communicate(timeout=200)
    assert first.returncode == 0, output
    assert "imported: ['prefect']" in output
    assert output.strip().splitlines()[-2].endswith("report.html")
    assert all(word not in output for word in ("Prefect", "http://", "Traceback", "WARNING"))

    second = fake_run(tmp_path)
    output, _ = second.communicate(timeout=30)
    assert "imported: []" in output
    assert [line.split()[:2] for line in output.splitlines()[: len(ROWS)]] == [
        [name, "cached"] for name in ROWS
    ]


@pytest.mark.prove
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_the_training_save_and_leaves_nobody(tmp_path: Path, until, number: int, code: int):
    prepared(tmp_path)
    run = fake_run(tmp_path, "sleep=60")
    until((tmp_path / "train.pid").exists)
    children = psutil.Process(run.pid).children(recursive=True)
    os.kill(run.pid, number)
    output, _ = run.communicate(timeout=30)
    assert run.returncode == code, output
    assert (tmp_path / "saved").exists()
    assert "the same command goes on from there" in output
    assert "Traceback" not in output
    until(lambda: not any(child.is_running() for child in children))


@pytest.mark.prove
def test_a_run_that_is_killed_leaves_nobody(tmp_path: Path, until):
    prepared(tmp_path)
    run = fake_run(tmp_path, "sleep=60")
    until((tmp_path / "train.pid").exists)
    children = psutil.Process(run.pid).children(recursive=True)
    assert len(children) == 2, "a server and a training"
    run.kill()
    run.communicate()
    until(lambda: not any(child.is_running() for child in children))
    assert not FakePipeline(tmp_path).path("train", "train-0").exists()


def test_a_mistake_during_a_run_is_its_message(tmp_path: Path):
    run = fake_run(tmp_path, "mistake=clips")
    output, _ = run.communicate(timeout=200)
    assert run.returncode == 1
    assert "ltx: dataset.source /nowhere does not exist; give a folder of videos" in output
    assert "Traceback" not in output
    assert (tmp_path / "sources" / "sources-0").exists()
