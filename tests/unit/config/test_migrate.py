"""Configs in older forms load with one warning and mean what they meant; `migrate` writes today's form."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import yaml
from older_configs import OLDER
from older_forms import FORMS, NAMED, VIDEO_ONLY, sample, validation

from ltx_core.config.load import build, load
from ltx_core.config.migrate import migrate
from ltx_core.config.migrate_file import migrated, write_migrated
from ltx_core.config.preflight import refuse
from ltx_core.errors import ConfigError, LegacyConfigWarning

ROOT = Path(__file__).parents[3]


def quietly(raw, base=Path("/films")):
    """The config of a mapping, and the texts of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        config = build(raw, base, "old.yaml")
    return config, [str(w.message) for w in caught if w.category is LegacyConfigWarning]


@pytest.mark.parametrize("form", FORMS)
def test_an_older_form_loads_with_one_warning_as_todays_form_without(form):
    old, today, named = FORMS[form]
    (config, told), (expected, silence) = quietly(old), quietly(today)
    assert config == expected and silence == [] and len(told) == 1
    assert all(key in told[0] for key in named), told[0]
    assert "`ltx config migrate old.yaml -o NEW.yaml`" in told[0]


@pytest.mark.parametrize("form", FORMS)
def test_a_migration_is_pure_and_migrates_to_itself(form):
    old = FORMS[form][0]
    before = yaml.safe_dump(old)
    today, _ = migrate(old)
    assert yaml.safe_dump(old) == before
    assert migrate(today) == (today, [])


@pytest.mark.parametrize(
    ("section", "messages"),
    [
        (
            validation(guidance_scale=3, video_cfg_scale=3),
            ["validation.guidance_scale", "validation.video_cfg_scale", "keep one form"],
        ),
        (
            validation(stg_mode="stg_av", audio_stg_scale=1),
            ["validation.stg_mode", "validation.audio_stg_scale", "keep one form"],
        ),
        (
            validation(prompts=["a"], samples=[sample("b")]),
            ["validation.prompts", "validation.samples", "keep one form"],
        ),
        (
            validation(reference_downscale_factor=2, samples=[sample("b")]),
            ["validation.reference_downscale_factor", "validation.samples"],
        ),
        (
            {"conditioning": {"mode": "none"}, "training_strategy": VIDEO_ONLY},
            ["conditioning", "training_strategy", "keep one form"],
        ),
        (
            {"training_strategy": {"name": "text_to_video", "video": {}}},
            ["training_strategy.name: text_to_video", "training_strategy.video", "keep one form"],
        ),
        (
            {"model": {"model_source": "a/b/c", "model_path": "d"}},
            ["model.model_source", "model.model_path", "keep one form"],
        ),
        (
            {"acceleration": {"compile_with_inductor": True, "compile": False}},
            ["acceleration.compile_with_inductor", "acceleration.compile is stated too", "keep one form"],
        ),
        (validation(prompts=["a"], images=["x", "y"]), ["validation.images: 2 for 1 validation.prompts"]),
        (validation(reference_videos=["x"]), ["validation.reference_videos: 1 for 0 validation.prompts"]),
        (validation(prompts="a fox"), ["validation.prompts", "valid list", "'a fox'"]),
        (validation(stg_mode="stg_a"), ["validation.stg_mode", "'stg_av' or 'stg_v'", "'stg_a'"]),
        (validation(videos_per_prompt=0), ["validation.videos_per_prompt", "greater than or equal to 1"]),
        ({"conditioning": {"mod": "none"}}, ["conditioning.mod: unknown key; did you mean 'mode'?"]),
        (
            {"conditioning": {"mode": "image"}},
            ["conditioning.mode", "'none' or 'reference_video'", "'image'"],
        ),
        (
            {"training_strategy": {"name": "text_to_video", "with_sound": True}},
            ["training_strategy.with_sound: unknown key", "with_audio"],
        ),
        (
            {"training_strategy": {"name": "video_to_video", "first_frame_conditioning_p": 2}},
            ["training_strategy.first_frame_conditioning_p", "less than or equal to 1", "2"],
        ),
        (
            {"model": {"model_source": "LTXV_13B_097"}},
            ["model.model_source", "'LTXV_13B_097'", "did you mean 'LTXV_13B_097_DEV'?"],
        ),
        (
            validation(guidance_scale=0.5),
            ["validation.video_cfg_scale", "greater than or equal to 1", "validation.guidance_scale ->"],
        ),
        ({"training_strategy": {"name": "text_to_vidio"}}, ["training_strategy.name", "text_to_vidio"]),
    ],
)
def test_a_wrong_or_mixed_older_form_is_refused_by_name(section, messages):
    with pytest.raises(ConfigError) as caught:
        build(section, Path("/films"), "old.yaml")
    assert [message for message in messages if message not in str(caught.value)] == []


@pytest.mark.parametrize("name", OLDER)
def test_a_whole_older_config_equals_its_migrated_file(name, tmp_path):
    old, new = tmp_path / "films.yaml", tmp_path / "today.yaml"
    old.write_text(OLDER[name])
    with pytest.warns(LegacyConfigWarning) as told:
        config = load(old, base_dir=tmp_path)
    changes = write_migrated(old, new, tmp_path)
    assert len(told) == 1 and all(str(change) in str(told[0].message) for change in changes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(new, base_dir=tmp_path) == config
    comments = [line for line in new.read_text().splitlines() if line.startswith("#")]
    assert [f"#   {change}" for change in changes] == comments[1:]
    kept = yaml.safe_load(new.read_text())
    assert kept.keys() <= {*yaml.safe_load(OLDER[name]), "name", "training_strategy"}, "only what was stated"


def test_the_older_configs_mean_what_they_meant(tmp_path):
    read = {name: quietly(yaml.safe_load(text), tmp_path)[0] for name, text in OLDER.items()}
    lora, ic = read["ltx-video-lora"], read["ltx-video-ic-lora"]
    assert lora.training_strategy.audio is None and lora.training_strategy.mode == "i2v"
    assert [s.seed for s in lora.validation.samples] == [7, 8, 7, 8]
    assert lora.validation.samples[3].conditions[0].image_or_video == tmp_path / "roof.png"
    assert lora.optimization.learning_rate == 2e-4 and lora.optimization.scheduler_params["T_mult"] == 2
    assert ic.model.model_path == tmp_path / "models" / "ltx-video" and ic.model.model_source is None
    assert ic.training_strategy.columns == ("latents", "edges") and ic.validation.interval is None
    assert read["ltx2-text-to-video"].training_strategy.columns == ("latents", "sounds")
    both = read["ltx2-video-to-video"].validation.samples[1].conditions
    assert [c.type for c in both] == ["first_frame", "reference"] and both[1].downscale_factor == 2


def test_a_named_model_is_asked_for_before_anything_runs(tmp_path):
    raw = {"workspace": str(tmp_path), "model": NAMED, "dataset": {"source": str(ROOT / "data" / "footage")}}
    raw["training_strategy"] = VIDEO_ONLY
    with pytest.raises(ConfigError) as caught:
        refuse(build(raw, tmp_path, "old.yaml"))
    repository = "Lightricks/LTX-Video-0.9.7-dev"
    assert f"hf download {repository}" in str(caught.value) and "set model.model_path" in str(caught.value)
    assert str(caught.value).count("hf download") == 1, "told once"
    raw["model"] = {**NAMED, "model_path": str(ROOT / "data" / "model")}
    raw["dataset"]["buckets"] = ["64x64x9"]
    refuse(build(raw, tmp_path, "old.yaml"))


def test_a_model_by_a_repositorys_name_is_its_folder_where_that_is_there(tmp_path):
    (tmp_path / "someone").mkdir()
    (tmp_path / "someone" / "model").symlink_to(ROOT / "data" / "model")
    config, _ = quietly({"model": {"model_source": "someone/model"}}, tmp_path)
    assert config.model.read().path == tmp_path / "someone" / "model"


def test_parents_and_overrides_are_read_before_the_form(tmp_path):
    (tmp_path / "base.yaml").write_text("model: {model_path: m}\nvalidation: {prompts: [a, b]}\n")
    (tmp_path / "child.yaml").write_text("extends: base.yaml\nconditioning: {mode: none}\n")
    with pytest.warns(LegacyConfigWarning):
        config = load(tmp_path / "child.yaml", ["validation.images=[x.png, y.png]"], tmp_path)
    assert [s.conditions[0].image_or_video.name for s in config.validation.samples] == ["x.png", "y.png"]
    text, _ = migrated(tmp_path / "child.yaml", tmp_path / "child.yaml", tmp_path)
    stated = yaml.safe_load(text)
    assert "extends" not in stated and "name" not in stated and stated["model"] == {"model_path": "m"}


def test_the_command_writes_today_s_form_and_overwrites_nothing(tmp_path):
    def ltx(*arguments):
        command = [sys.executable, "-m", "flows.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)

    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(OLDER["ltx2-video-to-video"])
    shown = ltx("config", "migrate", str(old))
    assert shown.returncode == 0 and yaml.safe_load(shown.stdout)["name"] == "old"
    resolved = ltx("config", "show", str(old))
    assert "warning: " in resolved.stderr and "validation.prompts -> validation.samples" in resolved.stderr
    new.write_text("mine")
    refused = ltx("config", "migrate", str(old), "-o", str(new))
    assert refused.returncode == 1 and "--force" in refused.stderr and new.read_text() == "mine"
    assert ltx("config", "migrate", str(old), "-o", str(new), "--force").returncode == 0
    again = ltx("config", "show", str(new))
    assert again.stderr == "" and again.stdout == resolved.stdout
    done = ltx("config", "migrate", str(new))
    assert done.returncode == 0 and done.stdout == "" and "in today's form already" in done.stderr
