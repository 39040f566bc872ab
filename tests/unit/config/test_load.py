"""Reading a config: paths, names, inheritance and overrides."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ltx_core.config.load import build, dump, load

SAMPLE = {"prompt": "x", "conditions": [{"type": "reference", "video": "edges.mp4"}]}


def test_every_relative_path_is_one_of_the_base_folder(tmp_path):
    raw = {"output_dir": "runs", "dataset": {"source": "films"}, "validation": {"samples": [SAMPLE]}}
    config = build(raw, tmp_path, "test.yaml")
    source = Path(config.dataset.source[0].path)
    found = [config.workspace, config.output_dir, source, config.model.model_path]
    found.append(config.validation.samples[0].conditions[0].video)
    assert found == [tmp_path / n for n in ("workspace", "runs", "films", "data/model", "edges.mp4")]
    assert build(yaml.safe_load(dump(config)), Path("/elsewhere"), "again") == config


@pytest.mark.parametrize(
    ("file", "name"), [("films.yaml", "films"), ("my films (2).yaml", "my-films-2"), ("é.yaml", "run")]
)
def test_the_name_of_a_run_is_that_of_its_file_in_plain_letters(tmp_path, file, name):
    (tmp_path / file).write_text("seed: 1")
    assert load(tmp_path / file, base_dir=tmp_path).name == name
    assert load(tmp_path / file, ["name=stated"], tmp_path).name == "stated"


def test_a_child_replaces_the_strategy_and_adds_to_other_sections(tmp_path):
    (tmp_path / "base.yaml").write_text(
        "training_strategy: {video: {}, audio: {}}\noptimization: {steps: 5, batch_size: 3}\n"
    )
    (tmp_path / "child.yaml").write_text(
        "extends: base.yaml\ntraining_strategy: {video: {}}\noptimization: {steps: 7}\n"
    )
    config = load(tmp_path / "child.yaml", ["optimization.learning_rate=1e-4"], tmp_path)
    assert list(config.training_strategy.streams) == ["video"]
    options = config.optimization
    assert (options.steps, options.batch_size, options.learning_rate) == (7, 3, 1e-4)
