"""`ltx sample`: any LoRA without a dataset, a grid over strengths, seeds and prompts, what options mean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ltx_core.config.load import load
from ltx_core.config.wishes import Wish, sections
from ltx_core.errors import LtxError
from ltx_core.media.decode import read_frames
from ltx_core.models.info import ModelInfo
from ltx_core.models.lora.adapters import add_lora, save_lora
from ltx_core.models.ltx2 import load_transformer
from ltx_core.models.options import LoraOptions
from ltx_core.modes import Strategy
from ltx_core.run import sample

ROOT = Path(__file__).parents[3]
FILM = ROOT / "data" / "footage" / "morning.mp4"
T2V = Strategy.model_validate({"video": {}, "audio": {}})
A2V = Strategy.model_validate({"video": {}, "audio": {"is_generated": False}})
PROMPTS = ("a red circle moves left", "a blue square grows")


@pytest.fixture(scope="module")
def lora(tmp_path_factory):
    """A LoRA that says it was trained for a given sound; its weights are noise."""
    transformer = load_transformer(ModelInfo.read(ROOT / "data" / "model"))
    draw = torch.Generator().manual_seed(3)
    for parameter in add_lora(transformer, LoraOptions(rank=4, alpha=4), 0):
        parameter.data = torch.randn(parameter.shape, generator=draw) * 0.2
    path = tmp_path_factory.mktemp("lora") / "lora.safetensors"
    save_lora(path, transformer, {"mode": "a2v", "training_strategy": A2V.model_dump_json()})
    return path


def config(workspace, *overrides):
    settings = (f"workspace={workspace}", "dataset.source=/nowhere", "validation.inference_steps=2")
    threads = ("engine.threads=1", "acceleration.threads=1")
    return load(ROOT / "configs" / "base.yaml", [*settings, *threads, *overrides], ROOT)


def test_a_grid_of_any_lora_needs_no_dataset(lora, tmp_path):
    wish = Wish(
        prompts=PROMPTS,
        audio=FILM,
        seeds=(7, 0),
        strengths=(0.0, 0.5, 1.0),
        lora=lora,
        folder=tmp_path / "grid",
        dims="32x64x5",
    )
    told: list[tuple[int, int]] = []
    paths = list(sample(config(tmp_path / "ws"), wish, lambda *found: told.append(found)))
    assert told == [(step, 3 * 2) for step in range(1, 3 * 2 + 1)]  # all of one strength go together
    names = {path.name for path in paths}
    assert {"01_seed7_strength0.mp4", "02_seed0_strength0.5.mp4", "sheet.png", "index.json"} <= names
    assert len(names) == 2 * 2 * 3 + 2 and all(path.is_file() for path in paths)
    index = json.loads((tmp_path / "grid" / "index.json").read_text())
    assert [(e["prompt"], e["seed"], e["strength"]) for e in index["samples"]] == [
        (prompt, seed, strength) for prompt in PROMPTS for seed in (7, 0) for strength in (0, 0.5, 1)
    ]
    assert index["samples"][0]["mode"] == "a2v" and index["samples"][0]["roles"]["audio"] == "given"
    width, height = Image.open(tmp_path / "grid" / "sheet.png").size
    assert width > 3 * 3 * 64 and height > 4 * 128

    def frames(name):
        return read_frames(tmp_path / "grid" / name, list(range(5))).astype(float)

    by_strength = [frames(f"01_seed7_strength{x}.mp4") for x in ("0", "0.5", "1")]
    assert by_strength[0].shape == (5, 64, 32, 3)
    steps = [np.abs(found - by_strength[0]).mean() for found in by_strength]
    assert 0.5 < steps[1] < steps[2]
    again = list(sample(config(tmp_path / "ws"), Wish(**{**vars(wish), "folder": tmp_path / "again"})))
    assert [path.read_bytes() for path in again[:-1]] == [path.read_bytes() for path in paths[:-1]]
    with pytest.raises(LtxError, match="the mode a2v makes samples for a given audio"):
        list(sample(config(tmp_path / "ws"), Wish(prompts=PROMPTS, lora=lora)))
    with pytest.raises(LtxError, match="nothing to sample: add --prompt"):
        list(sample(config(tmp_path / "ws"), Wish(lora=lora)))
    with pytest.raises(LtxError, match="this config has no trained LoRA yet"):
        list(sample(config(tmp_path / "ws", "dataset.source=data/footage"), Wish(prompts=PROMPTS)))
    with pytest.raises(LtxError, match="there is no LoRA"):
        list(sample(config(tmp_path / "ws"), Wish(prompts=PROMPTS, lora=tmp_path / "none")))


def types(wish, strategy=T2V, **trained):
    (found,) = sections(wish, (), strategy, trained)
    return [(condition.type, *condition.paths) for condition in found.conditions]


def test_options_become_conditions():
    one = {"prompts": ("x",)}
    clip, sound, mask = Path("/clip.mp4"), Path("/sound.wav"), Path("/mask.png")
    assert types(Wish(**one, image=clip)) == [("first_frame", "image_or_video")]
    assert types(Wish(**one, prefix=clip, suffix=sound)) == [("prefix", "video"), ("suffix", "audio")]
    alone = Strategy.model_validate({"audio": {}})
    assert types(Wish(**one, prefix=clip), alone) == [("prefix", "audio")]
    assert types(Wish(**one, video=clip)) == [("video_to_audio", "video")]
    assert types(Wish(**one, audio=sound)) == [("audio_to_video", "audio")]
    assert types(Wish(**one, video=clip, audio=sound, mask=mask)) == [
        ("mask", "video", "mask"),
        ("audio_to_video", "audio"),
    ]
    assert types(Wish(**one, audio=sound, mask=mask)) == [("mask", "audio", "mask")]
    assert types(Wish(**one, video=clip, crop="0,0,32,32")) == [("spatial_crop", "video")]
    wish = Wish(**one, references=(clip, sound), dims="64x32x9", beside=True)
    (found,) = sections(wish, (), T2V, {"reference_downscale_factor": "2"})
    first, second = found.conditions
    assert (first.downscale_factor, first.temporal_scale_factor, first.include_in_output) == (2, 1, True)
    both = {"conditions": [{"type": "reference", "latents_dir": name} for name in ("depth", "pose")]}
    wish = Wish(**one, references=(clip, clip))
    factors = {"reference_downscale_factor": '{"depth": 2, "pose": 4}'}
    (several,) = sections(wish, (), Strategy.model_validate({"video": both}), factors)
    assert [condition.downscale_factor for condition in several.conditions] == [2, 4]
    assert second.audio == sound and found.video_dims == (64, 32, 9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": Path("/a.png")}, "add --prompt TEXT"),
        ({"prompts": ("x",), "mask": Path("/a.png")}, "add --video FILE or --audio FILE"),
        ({"prompts": ("x",), "crop": "0,0,8,8"}, "add --video FILE"),
        ({"prompts": ("x",), "crop": "0,0,8", "video": Path("/a.mp4")}, "is not Y1,X1,Y2,X2"),
        ({"prompts": ("x",), "dims": "64x64"}, "is not WIDTHxHEIGHTxFRAMES"),
        (
            {"prompts": ("x",), "video": Path("/a.mp4"), "audio": Path("/a.wav")},
            "nothing is left to generate",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(LtxError) as refused:
        sections(Wish(**options), (), T2V, {})
    assert message in str(refused.value)
