"""The learning checks are about conditions and measures that their modes have."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows._demo_modes import _chosen, _left
from flows._modes_checks import HELD, PICTURE_CHANGE, SEED, SOUND_CHANGE, TRIALS
from ltx_core.config.load import load
from ltx_core.errors import ConfigError
from ltx_core.evaluation.effects import DRIFT, measures
from ltx_core.evaluation.levers import GIVEN, Lever, levers
from ltx_core.evaluation.rows import LOSS

ROOT = Path(__file__).parents[2]


def measured(lever: Lever) -> set[str]:
    """Names of all rows that a lever can have."""
    names = {LOSS, *(one.name for one in measures(lever.kind, lever.measured, lambda frames: frames))}
    if lever.holds:
        names |= {DRIFT, SEED}
    return names | {PICTURE_CHANGE, SOUND_CHANGE} if lever.kind == GIVEN else names


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.mode)
def test_a_check_is_of_a_measure_that_the_mode_has(trial):
    settings = [f"optimization.steps={trial.steps}", *trial.overrides]
    config = load(ROOT / "configs" / f"{trial.mode}_lora.yaml", settings, ROOT)
    assert config.training_strategy.mode == trial.mode
    known = {lever.key: measured(lever) for lever in levers(config.training_strategy)}
    assert HELD == DRIFT and trial.checks
    for check in trial.checks:
        assert check.measure in known[check.condition]
        assert any(limit.of or limit.value == "right" for limit in check.limits)


def test_modes_are_chosen_by_name_and_the_rest_of_the_time_is_told():
    assert [trial.mode for trial in _chosen(["v2a", "i2v"])] == ["i2v", "v2a"] and _chosen([]) == list(TRIALS)
    with pytest.raises(ConfigError, match="no check is for the mode 'i3v'; the checks are for i2v"):
        _chosen(["i3v"])
    assert _left(TRIALS, 0, 0.0) == "" and _left(TRIALS[:2], 1, 300.0) == " (about 5 min left)"
