"""What is checked on the disk before anything runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ltx_core.config.load import load
from ltx_core.config.preflight import preflight

ROOT = Path(__file__).parents[3]


def failed(*overrides):
    config = load(ROOT / "configs" / "demo.yaml", overrides, ROOT)
    return {check.name: check.detail for check in preflight(config) if not check.ok and check.name != "disk"}


def test_the_demo_passes(tmp_path):
    assert failed(f"workspace={tmp_path}") == {}


@pytest.mark.parametrize(
    ("override", "name", "message"),
    [
        ("dataset.source=/nowhere", "source", "/nowhere does not exist; give"),
        ("model.model_path=/nowhere", "model", "no model in /nowhere"),
        ("validation.stg_blocks=[1,28]", "model", "stg_blocks [28]: the model has the blocks 0 to"),
        ("validation.video_decoder=diffusion", "model", "has no diffusion_decoder; use `vae`"),
        ("dataset.buckets=[70x64x9]", "buckets", "use 64 or 80"),
        ("dataset.buckets=[64x64x8]", "buckets", "use 5 or 9"),
    ],
)
def test_what_cannot_run_is_named_with_its_fix(override, name, message, tmp_path):
    assert message in failed(f"workspace={tmp_path}", override)[name]


def test_a_model_without_a_vocoder_cannot_give_sound(tmp_path):
    model = tmp_path / "model"
    shutil.copytree(ROOT / "data" / "model", model, ignore=shutil.ignore_patterns("vocoder"))
    found = failed(f"workspace={tmp_path}", f"model.model_path={model}")
    assert list(found) == ["mode"] and "has no vocoder/" in found["mode"]
