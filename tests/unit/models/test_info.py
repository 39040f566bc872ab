"""What is read of a model folder without torch, its errors and fingerprints."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ltx_core.geometry.grid import AudioScale, VideoScale
from ltx_core.models.info import ModelError, ModelInfo

MODEL = Path(__file__).parents[3] / "data" / "model"


def copy(tmp_path, *without):
    target = tmp_path / "model"
    shutil.copytree(MODEL, target, ignore=shutil.ignore_patterns(*without))
    return target


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_facts_of_the_demo_model():
    info = ModelInfo.read(MODEL)
    assert (info.family, info.version, info.blocks, info.stg_block) == ("ltx2", "2.0", 3, 1)
    assert info.video_scale == VideoScale(4, 16, 16) and info.video_channels == 32
    assert info.audio_scale == AudioScale(8000, 200, 4) and info.audio_scale.latents_per_second == 10
    assert (info.audio_channels, info.audio_bins, info.wave_rate) == (4, 4, 8000)
    assert (info.text_tokens, info.context_tokens) == (16, 16)
    assert info.mel is not None and info.mel.scale == "htk"


def test_planning_imports_no_heavy_library():
    code = (
        "import sys; from ltx_core.models.info import ModelInfo; import ltx_core.models.options;"
        f"ModelInfo.read({str(MODEL)!r}).fingerprint();"
        "print([m for m in ('torch', 'diffusers', 'transformers', 'cv2', 'peft') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_front_end_without_its_own_file_is_that_of_ltx2(tmp_path):
    info = ModelInfo.read(copy(tmp_path, "audio_processor"))
    assert (info.mel.sample_rate, info.mel.hop, info.mel.mel_bins) == (8000, 200, 16)
    assert (info.mel.scale, info.mel.n_fft, info.mel.f_max) == ("slaney", 1024, 4000)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda m: shutil.rmtree(m), "does not exist"),
        (lambda m: shutil.rmtree(m / "transformer"), "has no transformer/; found .*vae"),
        (lambda m: (m / "transformer" / "config.json").unlink(), "config.json is missing; found diffusion"),
        (lambda m: (m / "vae" / "config.json").rename(m / "transformer" / "config.json"), "is a Autoencoder"),
        (lambda m: (m / "transformer" / "config.json").write_text("{"), "cannot be read as JSON"),
        (lambda m: edit(m / "audio_processor" / "preprocessor_config.json", wrong=1), "wrong"),
    ],
)
def test_what_is_wrong_is_named_with_the_fix(tmp_path, change, message):
    model = copy(tmp_path)
    change(model)
    with pytest.raises(ModelError, match=message):
        ModelInfo.read(model)


def test_require_names_the_missing_component_or_weights(tmp_path):
    info = ModelInfo.read(copy(tmp_path, "vocoder"))
    with pytest.raises(ModelError, match="has no vocoder/; found transformer, vae"):
        info.require("vae", "vocoder")
    (info.path / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no weights \(\*.safetensors\); found config.json"):
        info.require("vae")


def test_fingerprint_follows_content_and_not_place(tmp_path):
    model = copy(tmp_path)
    here, there = ModelInfo.read(MODEL), ModelInfo.read(model)
    assert here.fingerprint() == there.fingerprint()
    edit(model / "vae" / "config.json", _name_or_path="/elsewhere", _diffusers_version="9")
    assert here.fingerprint("vae") == there.fingerprint("vae")
    edit(model / "vae" / "config.json", scaling_factor=2.0)
    assert here.fingerprint("vae") != there.fingerprint("vae")
    assert here.fingerprint("text_encoder", "tokenizer") == there.fingerprint("text_encoder", "tokenizer")
    weights = model / "transformer" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 3] ^= 1
    weights.write_bytes(data)
    assert here.fingerprint("transformer") != there.fingerprint("transformer")


def test_a_large_file_is_sampled(tmp_path):
    from ltx_core.models.fingerprint import fingerprint_file

    path = tmp_path / "large.safetensors"
    with path.open("wb") as handle:
        handle.write((16).to_bytes(8, "little") + b"{" + b" " * 14 + b"}")
        handle.truncate(65 << 20)
    before = fingerprint_file(path)
    with path.open("r+b") as handle:
        handle.seek((65 << 20) - 5)
        handle.write(b"x")
    os.utime(path, ns=(1, 1))
    assert fingerprint_file(path) != before
