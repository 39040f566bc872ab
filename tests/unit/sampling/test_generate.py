"""The demo's model through the sampler: parity with LTX2Pipeline, and pictures that show their captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ltx_core.assemble import audio_latents, audio_tokens, video_latents, video_tokens
from ltx_core.diffusion.levels import schedule
from ltx_core.diffusion.track import Track
from ltx_core.geometry.units import audio_grid, video_grid
from ltx_core.models.info import ModelInfo
from ltx_core.models.loading import quiet
from ltx_core.models.ltx2 import load_audio, load_connectors, load_text, load_transformer, load_video_vae
from ltx_core.models.velocity import Velocity
from ltx_core.sampling.decode import decode_audio, decode_video
from ltx_core.sampling.guidance import Guidance
from ltx_core.sampling.predictor import Predictor
from ltx_core.sampling.sampler import sample, start_noise

INFO = ModelInfo.read(Path(__file__).parents[3] / "data" / "model")
SECONDS = 9 / 8
GRID = video_grid(64, 64, 9, 8.0, INFO.video_scale)
AUDIO = audio_grid(SECONDS, INFO.audio_scale)


@pytest.fixture(scope="module")
def contexts():
    """Contexts of a batch of captions, by modality."""
    text, connectors = load_text(INFO), load_connectors(INFO)

    def build(captions):
        features = [text.encode(caption).tensors for caption in captions]
        return dict(zip(("video", "audio"), connectors.contexts(features), strict=True))

    return build


def bare_tracks(batch, modalities=("video", "audio")):
    made = {
        "video": Track.of(torch.zeros(batch, GRID.tokens, INFO.video_channels), GRID.positions()),
        "audio": Track.of(
            torch.zeros(batch, AUDIO.tokens, INFO.audio_channels * INFO.audio_bins), AUDIO.positions()
        ),
    }
    return {name: made[name] for name in modalities}


def test_parity_with_the_pipeline(contexts):
    from diffusers import LTX2Pipeline, LTX2VideoTransformer3DModel

    with quiet():
        transformer = LTX2VideoTransformer3DModel.from_pretrained(
            INFO.path / "transformer", perturbed_attn=True, torch_dtype=torch.float32
        )
        pipeline = LTX2Pipeline.from_pretrained(
            INFO.path, transformer=transformer, torch_dtype=torch.float32, local_files_only=True
        )
    pipeline.set_progress_bar_config(disable=True)
    captions = ["a red circle moves left on a teal background , low hum", "a blue square grows , mid tone"]
    scales = {"cfg": 3.0, "stg": 0.5, "modality": 2.0, "rescale": 0.7}
    video, audio = pipeline(
        prompt=captions,
        negative_prompt="a sketch",
        height=64,
        width=64,
        num_frames=9,
        frame_rate=8.0,
        num_inference_steps=4,
        guidance_scale=3.0,
        stg_scale=0.5,
        modality_scale=2.0,
        guidance_rescale=0.7,
        audio_guidance_scale=5.0,
        audio_stg_scale=0.5,
        audio_modality_scale=2.0,
        audio_guidance_rescale=0.7,
        spatio_temporal_guidance_blocks=[1],
        max_sequence_length=16,
        generator=torch.Generator().manual_seed(0),
        output_type="latent",
        return_dict=False,
    )
    draw = torch.Generator().manual_seed(0)
    noise = {
        "video": video_tokens(torch.randn(2, 32, 3, 4, 4, generator=draw)),
        "audio": audio_tokens(torch.randn(2, 4, 11, 4, generator=draw)),
    }
    predictor = Predictor(Velocity(transformer), contexts(captions), contexts(["a sketch"]), (1,))
    guidance = {"video": Guidance(**scales), "audio": Guidance(**{**scales, "cfg": 5.0})}
    found = sample(predictor, bare_tracks(2), noise, pipeline.scheduler.sigmas, guidance)
    vae = pipeline.vae
    wanted_video = pipeline._normalize_latents(video, vae.latents_mean, vae.latents_std)
    statistics = pipeline.audio_vae.latents_mean, pipeline.audio_vae.latents_std
    wanted_audio = pipeline._normalize_audio_latents(audio_tokens(audio), *statistics)
    torch.testing.assert_close(video_latents(found["video"], GRID), wanted_video, rtol=0, atol=1e-4)
    torch.testing.assert_close(found["audio"], wanted_audio, rtol=0, atol=1e-4)
    assert audio_latents(found["audio"], 4).shape == audio.shape


def test_pictures_show_their_captions(contexts):
    colours = {"red": 0, "green": 1, "blue": 2}
    backgrounds = {"teal": (30, 110, 115), "brown": (115, 80, 45)}
    cases = [(c, b) for c in colours for b in backgrounds]
    captions = [f"a {c} circle moves left on a {b} background , low hum" for c, b in cases]
    predictor = Predictor(Velocity(load_transformer(INFO)), contexts(captions), contexts([""]))
    given = bare_tracks(len(captions))
    guides = {"video": Guidance(cfg=3.0), "audio": Guidance(cfg=3.0)}
    tokens = sample(predictor, given, start_noise(given, range(len(captions))), schedule(16), guides)
    frames = decode_video(load_video_vae(INFO), tokens["video"], GRID)
    assert frames.shape == (6, 9, 64, 64, 3) and frames.dtype == np.uint8
    right = 0
    for clip, (colour, background) in zip(frames.astype(float), cases, strict=True):
        border = np.median(clip[:, [0, -1]].reshape(-1, 3), 0)
        nearest = min(backgrounds, key=lambda name: np.abs(border - backgrounds[name]).sum())
        distance = np.abs(clip - border).sum(-1)
        shape = clip[distance > 0.5 * distance.max()].mean(0)
        right += nearest == background and int((shape - border).argmax()) == colours[colour]
    assert right >= 5
    waves, rate = decode_audio(load_audio(INFO), tokens["audio"], SECONDS)
    assert waves.shape == (6, 2, 9000) and rate == 8000 and np.isfinite(waves).all()


@pytest.mark.parametrize("alone, other", [("video", "audio_"), ("audio", "video")])
def test_one_modality_alone_runs_and_needs_no_other(contexts, alone, other):
    transformer = load_transformer(INFO)
    for name, module in list(transformer.named_modules()):
        parts = name.split(".")
        foreign = any(part.startswith("audio_") or "video_to" in part for part in parts)
        if alone == "video" and foreign and isinstance(module, torch.nn.Linear):
            module.forward = None
    given = bare_tracks(1, [alone])
    predictor = Predictor(Velocity(transformer), contexts(["a red circle"]), contexts([""]), (1,))
    guides = {alone: Guidance(cfg=3, stg=1, modality=3, rescale=0.7)}
    found = sample(predictor, given, start_noise(given, [0]), schedule(2), guides)
    assert found.keys() == {alone} and bool(found[alone].isfinite().all())


def test_missing_guidance_inputs_are_named(contexts):
    given = bare_tracks(1)
    predictor = Predictor(Velocity(load_transformer(INFO)), contexts(["a red circle"]))
    for guide, message in ((Guidance(cfg=3), "negative prompt"), (Guidance(stg=1), "stg_blocks")):
        with pytest.raises(ValueError, match=message):
            sample(predictor, given, start_noise(given, [0]), schedule(2), {"video": guide})
