"""Every stage of the tiny model's making runs; the committed model has right words, front end and pitch."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLLTX2Audio
from diffusers.pipelines.ltx2 import LTX2Vocoder
from safetensors.torch import load_file
from transformers import AutoTokenizer

from data.make import check_pitch, shapes
from data.make.model import audio_vae, build, clips, patches, sizes, text, vocoder
from ltx_core.media.mel import MelSpec, log_mel
from ltx_core.media.pitch import pitch

MODEL = Path(__file__).parents[3] / "data" / "model"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.prove
def test_every_stage_runs_and_makes_a_pipeline(tmp_path: Path) -> None:
    build.build(tmp_path, 0, sizes.TEST_BUDGET)
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    known = {path.relative_to(MODEL) for path in MODEL.rglob("*") if path.is_file()}
    assert made == known
    for name in sorted(path for path in known if path.suffix == ".safetensors"):
        new, old = load_file(tmp_path / name), load_file(MODEL / name)
        assert {key: new[key].shape for key in new} == {key: old[key].shape for key in old}
    takes = check_pitch.measure(tmp_path, 3, 0)
    assert len(takes) == 3 and "low hum" in check_pitch.table(takes)


def test_the_front_end_is_stated_beside_the_model() -> None:
    stated = json.loads((MODEL / "audio_processor" / "preprocessor_config.json").read_text(encoding="utf-8"))
    assert MelSpec(**stated) == sizes.MEL


def test_the_committed_words_and_text_encoder_are_the_codes() -> None:
    tokenizer = text.new_tokenizer()
    committed = AutoTokenizer.from_pretrained(MODEL / "tokenizer")
    assert committed.get_vocab() == tokenizer.get_vocab()
    encoder = text.new_text_encoder(len(tokenizer)).half()
    state = encoder.state_dict()
    for name, value in load_file(MODEL / "text_encoder" / "model.safetensors").items():
        assert torch.equal(state[name], value)


def test_the_model_is_small() -> None:
    assert sum(path.stat().st_size for path in MODEL.rglob("*.safetensors")) < 10_000_000


def test_components_keep_the_picture() -> None:
    rng = np.random.default_rng(0)
    made = clips.make_clips(clips.choose(clips.split()[0], 12, rng), rng)
    found = patches.find_components(made.pixels, 32, torch.Generator().manual_seed(0))
    latents = found.encode(made.pixels)
    assert latents.shape == (12, 32, *sizes.GRID)
    assert latents.mean().abs() < 0.05 and (latents.std() - 1).abs() < 0.1
    flat = latents.permute(0, 2, 3, 4, 1) * found.std + found.mean
    rebuilt = flat @ found.basis.T + found.centre
    assert (rebuilt - patches.patches(made.pixels)).square().mean() < 0.02


def test_the_audio_vaes_latents_are_normal() -> None:
    rng = np.random.default_rng(1)
    made = clips.make_clips(clips.choose(clips.split()[1], 60, rng), rng)
    vae = AutoencoderKLLTX2Audio.from_pretrained(MODEL / "audio_vae", dtype=torch.float32).eval()
    tokens = audio_vae.audio_tokens(vae, made.mels)
    assert tokens.shape == (60, sizes.AUDIO_LATENTS, 16)
    assert tokens.mean().abs() < 0.2 and (tokens.std() - 1).abs() < 0.2
    assert audio_vae.audio_quality(vae, made) < 0.3


@pytest.mark.parametrize("frames", [sizes.MEL_FRAMES, 81])
@pytest.mark.parametrize("motion", ["moves left", "moves right", "grows"])
def test_the_vocoder_keeps_the_pitch_of_what_it_hears(motion: str, frames: int) -> None:
    vae = AutoencoderKLLTX2Audio.from_pretrained(MODEL / "audio_vae", dtype=torch.float32).eval()
    voice = LTX2Vocoder.from_pretrained(MODEL / "vocoder", dtype=torch.float32).eval()
    rate = sizes.MEL.sample_rate
    for shape, share in itertools.product(shapes.SHAPES, (0.97, 1.0, 1.03)):
        take = shapes.draw_take(shapes.Scene("red", shape, motion, "teal"), np.random.default_rng(0))
        take = replace(take, pitch=shapes.PITCHES[shape] * share)
        wave = torch.from_numpy(shapes.tone(take, (frames - 1) * sizes.MEL.hop / rate, rate))[None]
        with torch.no_grad():
            mel = vae.decode(vae.encode(log_mel(wave, sizes.MEL)).latent_dist.mode()).sample
            made = voice(mel)[0]
        assert made.shape == (2, frames * sizes.MEL.hop)
        assert abs(12 * np.log2(pitch(made.numpy(), rate) / take.pitch)) < 1


def test_generated_tones_have_their_captions_pitch() -> None:
    takes = check_pitch.measure(MODEL, 9, 100)
    assert {take.scene.shape for take in takes} == set(shapes.SHAPES)
    assert max(abs(take.semitones) for take in takes) < check_pitch.LIMIT


def test_the_spectral_loss_hears_a_semitone() -> None:
    time = torch.arange(8200) / 8000
    tones = [torch.sin(2 * torch.pi * hertz * time).expand(1, 2, -1) for hertz in (220.0, 220.0, 233.1)]
    shifted = torch.sin(2 * torch.pi * 220.0 * time + 1.0).expand(1, 2, -1)
    assert vocoder.spectral_loss(tones[0], tones[1]) == 0
    same, other = vocoder.spectral_loss(tones[0], shifted), vocoder.spectral_loss(tones[0], tones[2])
    assert same < 0.3 * other
