"""A tiny model of each family through the whole `ltx run` by the real command, in the layouts that users have
and with the shipped configs: it trains, samples, measures and publishes; a second run has nothing to do."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from cli import SHORT, Clone, stage_lines
from zoo.layouts import FOLDER, HUB, SINGLE_FILE, SPLIT_PACK, as_layout, in_hub, snapshot
from zoo.trial import Place

SMALL = (
    "dataset.source=data/footage",
    "dataset.buckets=[64x64x9]",
    "dataset.fps=8",
    "dataset.max_rejected_fraction=0.9",
    "validation.video_dims=[64, 64, 9]",
    "validation.frame_rate=8",
    "validation.interval=null",
    "validation.skip_initial_validation=true",
    "validation.samples=[{prompt: a red ball}]",
    "validation.heldout_levels=1",
    "optimization.steps=2",
    "optimization.warmup_steps=1",
    "checkpoints.interval=null",
)
STAGES = ("sources", "scenes", "clips", "scores", "captions", "text", "latents", "dataset")
STAGES += ("train", "evaluate", "publish")
FILMS = ("evening", "wide")
"""What of the demo's footage is enough."""


class Case(NamedTuple):
    """A run.

    Attributes:
        config: below `configs/`.
        family, version, layout: of the zoo's model.
        modalities: that are trained.
        whole: whether every weight is.
    """

    config: str
    family: str
    version: str
    layout: str
    modalities: tuple[str, ...] = ("video",)
    whole: bool = False


BOTH = ("video", "audio")
NAMED = "as the shipped config names it"
CASES = {
    "ltx2 2.0": Case("t2v_lora", "ltx2", "2.0", FOLDER, BOTH),
    "ltx2 2.3": Case("t2v_lora", "ltx2", "2.3", SINGLE_FILE, BOTH),
    "ltx2 2.3 low vram": Case("t2v_lora_low_vram", "ltx2", "2.3", HUB, BOTH),
    "ltx2 2.5": Case("t2v_lora", "ltx2", "2.5", SPLIT_PACK, BOTH),
    "ltxv 0.9.0": Case("ltxv/ltxv_2b_lora", "ltxv", "0.9.0", FOLDER),
    "ltxv 0.9.1": Case("ltxv/ltxv_2b_lora", "ltxv", "0.9.1", SINGLE_FILE),
    "ltxv_2b_lora": Case("ltxv/ltxv_2b_lora", "ltxv", "0.9.6", NAMED),
    "ltxv_2b_lora_low_vram": Case("ltxv/ltxv_2b_lora_low_vram", "ltxv", "0.9.6", NAMED),
    "ltxv_2b_full": Case("ltxv/ltxv_2b_full", "ltxv", "0.9.6", NAMED, whole=True),
    "ltxv_13b_lora_cakeify": Case("ltxv/ltxv_13b_lora_cakeify", "ltxv", "0.9.7", NAMED),
    "ltxv_13b_ic_lora": Case("ltxv/ltxv_13b_ic_lora", "ltxv", "0.9.7", NAMED),
}


def small_clone(folder: Path) -> Clone:
    """The configs and a part of the demo's footage, without its model."""
    clone = Clone.make(folder)
    for path in clone.footage.iterdir():
        if not path.name.startswith(FILMS):
            path.unlink()
    return clone


def named_versions(cache: Path) -> None:
    """The repositories that the shipped configs of LTX-Video name, as downloads leave them in a cache."""
    first, large = "Lightricks/LTX-Video", "Lightricks/LTX-Video-0.9.7-dev"
    in_hub("ltxv", "0.9.0", cache, first)
    file = as_layout("ltxv", "0.9.6", SINGLE_FILE, cache / "made").path
    shutil.copyfile(file, snapshot(cache, first) / "ltxv-2b-0.9.6-dev-04-25.safetensors")
    in_hub("ltxv", "0.9.7", cache, large)


def model_overrides(place: Place) -> tuple[str, ...]:
    """The config's `model` section for a place."""
    options = {"model_path": place.path, **place.apart}
    return tuple(f"model.{name}={value}" for name, value in options.items())


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, prefect: dict[str, str]) -> Clone:
    """A clone with a hub's cache, and one server for all runs."""
    clone = small_clone(tmp_path_factory.mktemp("families") / "clone")
    named_versions(clone.folder / "hub")
    return replace(clone, env=prefect)


@pytest.mark.prove
@pytest.mark.parametrize("name", CASES)
def test_a_family_goes_through_the_whole_run(name: str, clone: Clone, tmp_path: Path):
    case = CASES[name]
    cache = clone.folder / "hub" if case.layout == NAMED else tmp_path / "hub"
    model: tuple[str, ...] = ()
    if case.layout != NAMED:
        model = model_overrides(as_layout(case.family, case.version, case.layout, cache))
    env = {**clone.env, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    overrides = (*SHORT, *SMALL, *model, f"workspace={tmp_path / 'workspace'}")
    here = Clone(clone.folder, overrides, env)
    command = ("run", f"configs/{case.config}.yaml")
    output = here.ltx(*command)
    (run,) = (tmp_path / "workspace" / "runs").iterdir()
    check_product(case, tmp_path / "workspace" / "published", output)
    check_run(case, run)
    again = stage_lines(here.ltx(*command))
    assert {stage: again[stage].split()[0] for stage in STAGES} == dict.fromkeys(STAGES, "cached")


def check_product(case: Case, published: Path, output: str) -> None:
    """The published weights changed, are named, and say what they are of."""
    from safetensors import safe_open

    (folder,) = published.iterdir()
    path = folder / "transformer" if case.whole else folder / "lora.safetensors"
    assert str(path.relative_to(published.parent.parent)) in output or path.name in output
    if case.whole:
        assert json.loads((path / "config.json").read_text())["_class_name"] == "LTXVideoTransformer3DModel"
        return
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        changed = [name for name in file.keys() if "lora_B" in name and file.get_tensor(name).any()]  # noqa: SIM118
    assert metadata["base_model_family"].split()[0] == case.family
    assert any("audio" in name for name in changed) == ("audio" in case.modalities)
    assert any("audio" not in name for name in changed)


def check_run(case: Case, run: Path) -> None:
    """It was measured on held-out clips and shown, with sound where the family has it."""
    from ltx_core.media.probe import probe

    found = json.loads((run / "evaluation.json").read_text())
    for modality in case.modalities:
        assert all(found[f"heldout_{modality}_{model}"] > 0 for model in ("base", "lora"))
    assert (run / "report.html").stat().st_size > 10_000
    (sample,) = (path for path in (run / "samples" / "after").iterdir() if path.stem == "01")
    info = probe(sample)
    assert (info.width, info.height, info.has_audio) == (64, 64, "audio" in case.modalities)
