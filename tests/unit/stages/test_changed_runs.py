"""What a changed config means for the runs of its name, on trainings of one film of the demo."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ltx_core.config.load import load
from ltx_core.config.preflight import preflight
from ltx_core.errors import ConfigError
from ltx_core.run import Pipeline
from ltx_core.stages.changes import HARMLESS, LONGER, NEW_RUN, REFUSED, compare
from ltx_core.stages.remedies import remedies
from ltx_core.training.checkpoint_folder import CHECKPOINTS, HELD, checkpoints
from ltx_core.training.log import TIMED

ROOT = Path(__file__).parents[3]
SHORT = (
    "engine.threads=1",
    "acceleration.threads=1",
    "optimization.batch_size=1",
    "optimization.warmup_steps=0",
    "optimization.steps=2",
    "optimization.scheduler_type=constant",
    "validation.interval=null",
    "validation.heldout_samples=0",
)


class Place:
    """A workspace, with one film."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.workspace, self.source = folder, source

    def pipe(self, *overrides: str) -> Pipeline:
        settings = [f"workspace={self.workspace}", f"dataset.source={self.source}", *SHORT, *overrides]
        return Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", settings, ROOT))

    def train(self, *overrides: str) -> tuple[Path, int]:
        """The run's folder, and the step that it went on from."""
        pipe = self.pipe(*overrides)
        for stage in pipe.stages("train"):
            for chunk in pipe.plan(stage).chunks:
                pipe.compute(stage, chunk)
        manifest = pipe.manifest("train")
        return Path(manifest["run"]), manifest["resumed_from"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """After two steps. Only to be read."""
    source = tmp_path_factory.mktemp("footage")
    for path in (ROOT / "data" / "footage").glob("wide*"):
        shutil.copy(path, source)
    place = Place(tmp_path_factory.mktemp("workspace"), source)
    place.train()
    return place


@pytest.fixture
def copy(trained: Place, tmp_path: Path) -> Place:
    shutil.copytree(trained.workspace, tmp_path / "workspace")
    return Place(tmp_path / "workspace", trained.source)


def effects(place: Place, *overrides: str) -> dict[str, str]:
    found = compare(place.pipe(*overrides).context)
    assert found is not None
    return {change.difference.field: change.effect for change in found.changes}


def test_fields_say_what_follows_from_them(trained: Place):
    harmless = ("checkpoints.interval=7", "acceleration.blocks_to_swap=1", "validation.seed=3")
    assert effects(trained, *harmless) == {
        "acceleration.blocks_to_swap": HARMLESS,
        "validation.seed": HARMLESS,
        "checkpoints.interval": HARMLESS,
    }
    mixed = effects(trained, "optimization.learning_rate=1e-6", "seed=7", "checkpoints.minutes=5")
    assert mixed == {
        "seed": NEW_RUN,
        "optimization.learning_rate": NEW_RUN,
        "checkpoints.minutes": HARMLESS,
    }
    assert effects(trained, "optimization.steps=1") == {"optimization.steps": NEW_RUN}
    assert effects(trained, "optimization.steps=5") == {"optimization.steps": LONGER}
    linear = effects(trained, "optimization.steps=5", "optimization.scheduler_type=linear")
    assert set(linear.values()) == {NEW_RUN}
    # A setting of the clips that leaves them as they are, and one that does not
    assert effects(trained, "dataset.scenes.threshold=26") in (
        {"dataset.scenes.threshold": HARMLESS},
        {"dataset.scenes.threshold": NEW_RUN},
    )
    (run,) = (trained.workspace / "runs").iterdir()
    wrong = effects(trained, f"model.load_checkpoint={run}", "lora.rank=3")
    assert wrong == {"model.load_checkpoint": REFUSED, "lora.rank": REFUSED}


def test_a_terminal_is_told(trained: Place):
    (run,) = (trained.workspace / "runs").iterdir()
    lines = trained.pipe("optimization.learning_rate=1e-6").changes()
    assert lines[0].startswith(f"run {run.name} (step 2 of 2)")
    assert "optimization.learning_rate: 0.002 -> 1e-06: needs a new run" in "\n".join(lines)
    assert f"{run.name} stays" in lines[-1] and "model.load_checkpoint=latest" in lines[-1]
    assert trained.pipe().changes() == [], "nothing has changed"
    assert "takes over the 2 steps" in trained.pipe("optimization.steps=5").changes()[-1]
    *_, fewer, end = trained.pipe("optimization.steps=1").changes()
    assert "optimization.steps: 2 -> 1: needs a new run (2 steps are done already" in fewer
    more = trained.pipe("optimization.steps=5", "optimization.scheduler_type=linear").changes()
    assert "To begin with its weights" in more[-1]
    assert "To begin with" not in trained.pipe("lora.rank=3").changes()[-1], "they would not fit"
    assert f"{run.name} stays. To keep to that one: optimization.steps=2; " in end


def test_three_changes_that_would_make_a_step_fit(trained: Place):
    """On a GPU as it would be; the first ones leave the run as it is."""
    pipe = trained.pipe("optimization.batch_size=2", "acceleration.mixed_precision_mode=bf16")
    device = pipe.device(gpu_memory=24 << 30)
    said, order, *three = remedies(pipe.context, device)
    assert re.search(r"needs \d+\.\d GiB .* the device gives \d+\.\d", said) and "in this order" in order
    assert [line[:5] for line in three] == ["  1. ", "  2. ", "  3. "]
    (recompute,) = (line for line in three if "enable_gradient_checkpointing=true" in line)
    assert "the same gradient" in recompute and recompute.endswith("the run goes on")
    for line in three:
        if "batch_size=1 optimization.gradient_accumulation_steps=2" in line or "quantization=" in line:
            assert line.endswith("a new run")


@pytest.mark.prove
def test_a_longer_run_takes_over_the_steps_of_a_shorter_one(copy: Place, tmp_path: Path):
    short = next((copy.workspace / "runs").iterdir())
    folder, resumed = copy.train("optimization.steps=4")
    assert folder != short and resumed == 2
    events = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    (told,) = (event["changes"] for event in events if event["event"] == "changes")
    effect = {each["field"]: each["effect"] for each in told}
    assert effect == {"workspace": HARMLESS, "optimization.steps": LONGER}  # it was copied to another place
    shutil.copytree(copy.workspace, tmp_path / "other", ignore=shutil.ignore_patterns("runs", "train"))
    whole, begun = Place(tmp_path / "other", copy.source).train("optimization.steps=4")
    assert (whole.name, begun) == (folder.name, 0)
    states = [checkpoints(each / CHECKPOINTS)[-1] / "state" for each in (folder, whole)]
    for name in ("parameters.safetensors", "optimizer.safetensors"):
        assert (states[0] / name).read_bytes() == (states[1] / name).read_bytes()
    metrics = [pq.ParquetFile(each / "metrics.parquet").read() for each in (folder, whole)]
    steps = [table.drop_columns(sorted(TIMED & set(table.column_names))).to_pylist() for table in metrics]
    measured = ("heldout_video", "heldout_audio")  # the shorter one was measured at its end, too
    for one, other in zip(*steps, strict=True):
        assert {k: v for k, v in one.items() if k not in measured} == {
            k: v for k, v in other.items() if k not in measured
        }


@pytest.mark.prove
def test_latest_is_another_run_and_stays_the_same_one(copy: Place):
    (first,) = (copy.workspace / "runs").iterdir()
    again = ("model.load_checkpoint=latest", "optimization.learning_rate=1e-12")
    (told,) = (check for check in preflight(copy.pipe(*again).config) if check.name == "load_checkpoint")
    assert told.ok and first.name in told.detail
    second, _ = copy.train(*again)
    newest = checkpoints(first / CHECKPOINTS)[-1]
    assert (newest / HELD).read_text().strip() == second.name, "retention leaves it alone"
    assert json.loads((second / "begun_with.json").read_text())["weights"].startswith(str(newest))
    assert copy.pipe(*again).plan("train").cached == 1, "the newest, itself, is not meant"
    third, _ = copy.train(*again, "seed=8")
    assert json.loads((third / "begun_with.json").read_text())["weights"].startswith(str(second))
    assert copy.pipe(*again).plan("train").cached == 1, "nor is a newer one that began later"


def test_latest_without_any_run_says_what_to_do(trained: Place):
    with pytest.raises(ConfigError, match=r"no run of the name 'nobody' in .* leave it out for a first run"):
        trained.pipe("name=nobody", "model.load_checkpoint=latest").refuse()
