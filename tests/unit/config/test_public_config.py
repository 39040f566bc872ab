"""A config of the public LTX-2 trainer is read as it is; what it cannot have is refused before a run."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path

import pytest
import yaml
from public_config import PUBLIC

from ltx_core.config.load import build
from ltx_core.config.preflight import preflight, refuse
from ltx_core.config.root import Config
from ltx_core.errors import ConfigError, LtxError
from ltx_core.models.ltx2 import load_audio, load_text, load_video_vae
from ltx_core.training.optim import learning_rate

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "data" / "model"


def leaves(value, place=()):
    """(place, value) of everything stated; lists of sections by number."""
    if is_dataclass(value):
        value = asdict(value)
    elif hasattr(value, "model_fields_set"):
        value = dict(value)
    if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        value = dict(enumerate(value))
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, (*place, key))
    else:
        yield place, value


def at(config, place):
    for key in place:
        if isinstance(config, Mapping):
            config = config.get(key)
        else:
            config = config[key] if isinstance(key, int) else getattr(config, key)
    return config


def same(found, stated):
    if isinstance(found, Path):
        return found == Path("/films") / stated
    if isinstance(stated, list):
        return list(found or ()) == stated
    return float(found) == float(stated) if isinstance(found, float) else found == stated


STATED = dict(leaves(yaml.safe_load(PUBLIC)))


@pytest.fixture(scope="module")
def public():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return build(yaml.safe_load(PUBLIC), Path("/films"), "public.yaml")


@pytest.mark.parametrize("place", STATED, ids=lambda place: ".".join(map(str, place)))
def test_every_field_of_the_public_schema_is_read_unchanged(place, public):
    assert same(at(public, place), STATED[place])


def test_no_field_of_the_example_is_at_its_default():
    """Otherwise a key that is dropped while reading would pass."""
    plain = Config()
    unsaid = [p for p, value in STATED.items() if not any(isinstance(k, int) for k in p)]
    roles = ("is_generated", "name", "timestep_sampling_mode")
    equal = [place for place in unsaid if place[-1] not in roles and same(at(plain, place), STATED[place])]
    assert equal == []


def runnable(workspace, **sections):
    raw = {"workspace": str(workspace), "model": {"model_path": str(MODEL)}, **sections}
    raw["dataset"] = {"source": str(ROOT / "data" / "footage"), "buckets": ["64x64x9"]}
    raw["dataset"]["fps"] = 8
    return build(raw, workspace, "public.yaml")


@pytest.mark.parametrize(
    ("section", "messages"),
    [
        ({"acceleration": {"quantization": "int2-quanto"}}, ["int2-quanto", "use `int4` or `nf4`"]),
        (
            {"acceleration": {"quantization": "int8"}, "model": {"training_mode": "full"}},
            ["'int8'", "training_mode is 'full'", "quantization: null"],
        ),
        (
            {"acceleration": {"load_text_encoder_in_8bit": True, "text_encoder_quantization": "nf4"}},
            ["load_text_encoder_in_8bit is true", "'nf4'", "state one"],
        ),
        (
            {"acceleration": {"blocks_to_swap": 2}, "model": {"training_mode": "full"}},
            ["blocks_to_swap moves frozen weights", "training_mode is 'full'", "`blocks_to_swap: 0`"],
        ),
        (
            {"acceleration": {"blocks_to_swap": 9}},
            ["blocks_to_swap: 9 blocks cannot be swapped, the transformer has 3; use 0 to 3"],
        ),
        (
            {"optimization": {"optimizer_type": "adamw8bit", "optimizer_params": {"epsilon": 1e-6}}},
            ["optimizer_params epsilon", "'adamw8bit' takes", "eps"],
        ),
        ({"lora": {"dropout": 1.0}}, ["lora.dropout is 1"]),
        ({"validation": {"inference_steps": 1}}, ["validation.inference_steps is 1", "2 or more"]),
    ],
)
def test_what_would_change_the_result_is_refused_before_anything_runs(section, messages, tmp_path):
    with pytest.raises(ConfigError) as caught:
        refuse(runnable(tmp_path, **section))
    assert [message for message in messages if message not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("section", "messages"),
    [
        (
            {"hub": {"push_to_hub": True, "hub_model_id": "me/it"}},
            ["is pushed to me/it at https://huggingface.co (public where it is made)"],
        ),
        ({"wandb": {"enabled": True}}, ["no key is known here", "WANDB_API_KEY", "mode: offline"]),
        (
            {"optimization": {"scheduler_type": "constant", "scheduler_params": {"T_0": 3}}},
            ["scheduler_params T_0", "takes none"],
        ),
        ({"optimization": {"optimizer_type": "prodigy"}}, ["learning_rate is 0.0005", "its authors use 1"]),
        ({"acceleration": {"quantization": "int8-quanto"}}, ["'int8-quanto'", "own int8", "Write `int8`"]),
        ({"acceleration": {"quantization": "fp8-quanto"}}, ["'fp8-quanto'", "own fp8", "Write `fp8`"]),
        ({"acceleration": {"quantization": "fp8uz-quanto"}}, ["'fp8uz-quanto'", "own fp8", "Write `fp8`"]),
        ({"acceleration": {"quantization": "int4-quanto"}}, ["'int4-quanto'", "own int4", "Write `int4`"]),
    ],
)
def test_what_happens_beside_the_training_is_told(section, messages, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no keys"))
    config = runnable(tmp_path, **section)
    (told,) = [text for text in refuse(config) if "MiB are free" not in text]
    assert [message for message in messages if message not in told] == []
    (settings,) = [check for check in preflight(config) if check.name == "settings"]
    assert settings.ok and settings.detail == told


def test_full_training_needs_no_lora_section():
    config = build({"lora": None, "model": {"training_mode": "full"}}, Path("/films"), "public.yaml")
    assert config == build({"model": {"training_mode": "full"}}, Path("/films"), "public.yaml")


@pytest.mark.parametrize(
    ("kind", "params", "rates"),
    [  # of the steps 0, 40, 60 and 99 of 100 at a rate of 1
        ("constant", {}, (1, 1, 1, 1)),
        ("linear", {}, (1, 0.64, 0.46, 0.109)),
        ("linear", {"start_factor": 0.5, "end_factor": 1.0}, (0.5, 0.7, 0.8, 0.995)),
        ("cosine", {"eta_min": 0.2}, (1, 0.7236068, 0.4763932, 0.2001973)),
        ("cosine_with_restarts", {"T_0": 30, "T_mult": 2, "eta_min": 0}, (1, 0.9330127, 0.5, 0.9861850)),
        ("polynomial", {"power": 2.0}, (1, 0.36, 0.16, 0.0001)),
        ("step", {"step_size": 30, "gamma": 0.5}, (1, 0.5, 0.25, 0.125)),
        ("step", {}, (1, 1, 0.1, 0.1)),
    ],
)
def test_every_schedule_of_the_public_trainer_works(kind, params, rates):
    section = {"learning_rate": 1.0, "steps": 100, "scheduler_type": kind, "scheduler_params": params}
    options = build({"optimization": section}, Path("/films"), "public.yaml").optimization
    found = [learning_rate(options, step) for step in (0, 40, 60, 99)]
    assert found == pytest.approx(rates, abs=1e-6)


@pytest.fixture(scope="module")
def without_parts(tmp_path_factory):
    """A model that lacks what has a path of its own."""
    folder = tmp_path_factory.mktemp("models") / "rest"
    apart = ("text_encoder", "tokenizer", "vae", "audio_vae", "audio_processor", "vocoder")
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns(*apart))
    return folder


def test_components_are_read_from_paths_of_their_own(without_parts, tmp_path):
    """Folders that hold components by name, or a component's own, its tokenizer within the text encoder."""
    gemma = tmp_path / "gemma"
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(MODEL / part, gemma, dirs_exist_ok=True)
    section = {"text_encoder_path": gemma, "video_vae_path": MODEL / "vae", "audio_vae_path": MODEL}
    stated = {"model_path": str(without_parts), **{name: str(path) for name, path in section.items()}}
    config = runnable(tmp_path / "ws", model=stated)
    refuse(config)
    info, whole = (
        config.model.read(),
        build({"model": {"model_path": str(MODEL)}}, tmp_path, "x").model.read(),
    )
    assert info.mel == whole.mel and info.text_tokens == whole.text_tokens
    parts = ("vae", "audio_vae", "audio_processor", "vocoder", "tokenizer")
    assert info.part("tokenizer").place == gemma
    assert info.part("transformer").place.parent == without_parts
    same_bytes = [name for name in parts[:-1] if info.fingerprint(name) == whole.fingerprint(name)]
    assert same_bytes == list(parts[:-1]), "the store knows them again, wherever they lie"
    caption = "a red fox in the snow"
    ours, theirs = load_text(info).encode(caption), load_text(whole).encode(caption)
    assert all(bool((ours.tensors[name] == theirs.tensors[name]).all()) for name in theirs.tensors)
    load_video_vae(info)
    load_audio(info)


@pytest.mark.parametrize(
    ("option", "path", "messages"),
    [
        ("text_encoder_path", "nowhere", ["model.text_encoder_path", "does not exist"]),
        (
            "video_vae_path",
            "transformer",
            ["model.video_vae_path", "a LTX2VideoTransformer3DModel", "folder of a vae"],
        ),
        ("audio_vae_path", "empty", ["model.audio_vae_path", "neither audio_vae/config.json"]),
        ("video_vae_path", "vae.safetensors", ["model.video_vae_path", "vae.safetensors is damaged"]),
    ],
)
def test_a_path_without_its_component_is_refused(option, path, messages, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "vae.safetensors").write_bytes(b"")
    shutil.copytree(MODEL / "transformer", tmp_path / "transformer")
    config = runnable(tmp_path / "ws", model={"model_path": str(MODEL), option: str(tmp_path / path)})
    with pytest.raises(LtxError) as caught:
        refuse(config)
    assert [message for message in messages if message not in str(caught.value)] == []
