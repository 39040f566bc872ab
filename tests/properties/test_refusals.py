"""What a config may not say of conditions, over the whole list of them; and the shipped configs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltx_core.conditions import CONDITIONS
from ltx_core.config import build, load
from ltx_core.errors import ConfigError
from ltx_core.modes import MODES
from tests.properties.cases import HOLDING, REFUSED, kind, names

CONFIGS = Path(__file__).parents[2] / "configs"
MOST_LINES = 25
EXAMPLE = {
    "prefix": {"temporal_boundary": 1},
    "suffix": {"temporal_boundary": 1},
    "spatial_crop": {"spatial_region": [0, 0, 32, 32]},
    "mask": {"mask_dir": "video_masks"},
}
"""type -> fields that have no default."""


def read(tmp_path, strategy):
    return build({"training_strategy": strategy}, tmp_path, "run.yaml")


def stated(condition, **more):
    return {"type": kind(condition), **EXAMPLE.get(kind(condition), {}), **more}


@pytest.mark.parametrize(("condition", "modality"), REFUSED, ids=names(REFUSED))
def test_a_condition_is_refused_where_it_makes_no_sense(condition, modality, tmp_path):
    with pytest.raises(ConfigError, match=f"'{kind(condition)}' makes no sense on {modality}: it works on"):
        read(tmp_path, {"video": {}, "audio": {}, modality: {"conditions": [stated(condition)]}})


@pytest.mark.parametrize(("condition", "modality"), HOLDING, ids=names(HOLDING))
def test_holding_a_given_modality_is_refused(condition, modality, tmp_path):
    stream = {"is_generated": False, "conditions": [stated(condition)]}
    with pytest.raises(ConfigError, match=f"holds tokens of {modality}, which is given whole"):
        read(tmp_path, {"video": {}, "audio": {}, modality: stream})


@pytest.mark.parametrize("condition", CONDITIONS, ids=[kind(c) for c in CONDITIONS])
def test_unknown_fields_and_wrong_values_are_errors(condition, tmp_path):
    modality = condition.modalities[0]
    for wrong, message in (
        ({"strength": 1}, "strength: unknown key"),
        ({"probability": 1.5}, "less than or equal to 1"),
        ({"probability": -0.1}, "greater than or equal to 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            read(tmp_path, {modality: {"conditions": [stated(condition, **wrong)]}})


def test_a_run_needs_something_to_learn_and_columns_of_its_own(tmp_path):
    with pytest.raises(ConfigError, match="no modality is generated"):
        read(tmp_path, {"video": {"is_generated": False}, "audio": {"is_generated": False}})
    with pytest.raises(ConfigError, match="no modality is generated"):
        read(tmp_path, {})
    with pytest.raises(ConfigError, match="both read the column 'latents'"):
        read(tmp_path, {"video": {"conditions": [{"type": "reference", "latents_dir": "latents"}]}})
    with pytest.raises(ConfigError, match="sound: unknown key"):
        read(tmp_path, {"video": {}, "sound": {}})


SHIPPED = sorted(CONFIGS.glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_shipped_configs_load_are_short_and_name_their_mode(path):
    config = load(path, base_dir=CONFIGS.parent)
    mode = config.training_strategy.mode
    assert mode in {known.name for known in MODES}
    if path.stem.endswith("_lora"):
        assert path.stem == f"{mode}_lora"
    if path.stem != "base":
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        assert len([line for line in lines if line and not line.startswith("#")]) <= MOST_LINES


def test_every_mode_has_a_config():
    assert {f"{mode.name}_lora" for mode in MODES} <= {path.stem for path in SHIPPED}
