"""Makes the parts one after the other and writes them as one `LTX2Pipeline` folder in float16."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLLTX2Audio, FlowMatchEulerDiscreteScheduler, LTX2Pipeline
from torch import nn

from data.make import shapes
from data.make.model import audio_vae, clips, patches, sizes, text, transformer, video_vae, vocoder
from data.make.model.sizes import Budget

STYLED_CLIPS, CHECKED_CLIPS = 160, 24
PART = 100
"""Clips that go through a model at once."""


def build(out: Path, seed: int, budget: Budget) -> None:
    """Train every part from nothing and write the model into `out`."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train_scenes, held_out = clips.split()
    lessons = clips.make_clips(clips.choose(train_scenes, budget.clips, rng), rng)
    styled = clips.make_clips(
        clips.restyle(clips.choose(train_scenes, min(STYLED_CLIPS, budget.clips), rng), rng), rng
    )
    check = clips.make_clips(clips.choose(held_out, CHECKED_CLIPS, rng), rng)
    sample = torch.cat([lessons.pixels[:320], styled.pixels[:80]])
    components = patches.find_components(sample, sizes.VIDEO_CHANNELS, torch.Generator().manual_seed(seed))
    video = video_vae.train_video_vae(lessons, styled, components, budget.video_vae, budget.batch)
    print(f"video_vae {video_vae.video_quality(video, check):.2f} dB on held-out clips")
    audio = audio_vae.train_audio_vae(lessons, budget.audio_vae, budget.batch)
    print(f"audio_vae {audio_vae.audio_quality(audio, check):.3f} nepers on held-out clips")
    tokenizer = text.new_tokenizer()
    encoder = text.new_text_encoder(len(tokenizer))
    torch.manual_seed(seed + 1)
    latents = torch.cat([components.encode(part) for part in lessons.pixels.split(PART)])
    captions = [shapes.caption(scene) for scene in lessons.scenes]
    features, mask = text.text_features(encoder, tokenizer, captions)
    no_features, no_mask = text.text_features(encoder, tokenizer, [""])
    tokens = audio_vae.audio_tokens(audio, lessons.mels)
    lesson = transformer.Lessons(
        latents.flatten(2).transpose(1, 2), tokens, features, mask, no_features, no_mask
    )
    connectors, denoiser = transformer.train_transformer(lesson, budget.transformer, 2 * budget.batch)
    voice = vocoder.train_vocoder(audio, vocoder.make_waves(budget.clips, rng), budget.vocoder, budget.batch)
    pipeline = LTX2Pipeline(
        scheduler=new_scheduler(),
        vae=video,
        audio_vae=audio,
        text_encoder=encoder,
        tokenizer=tokenizer,
        connectors=connectors,
        transformer=denoiser,
        vocoder=voice,
    )
    save(pipeline, out)


def rebuild_vocoder(base: Path, out: Path, seed: int, budget: Budget) -> None:
    """Train a vocoder for the audio VAE of the model in `base`, and write it into `out/vocoder`."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    audio = AutoencoderKLLTX2Audio.from_pretrained(base / "audio_vae", dtype=torch.float32).eval()
    voice = vocoder.train_vocoder(audio, vocoder.make_waves(budget.clips, rng), budget.vocoder, budget.batch)
    voice.half().save_pretrained(out / "vocoder")


def new_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """LTX-2's, without the stretch to a last level: few steps are taken here."""
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.95,
        max_shift=2.05,
        base_image_seq_len=1024,
        max_image_seq_len=4096,
        shift_terminal=None,
    )


def save(pipeline: LTX2Pipeline, out: Path) -> None:
    """Write the pipeline in float16, and the audio VAE's front end beside it."""
    for part in pipeline.components.values():
        if isinstance(part, nn.Module):
            part.half()
    pipeline.save_pretrained(out)
    folder = out / "audio_processor"
    folder.mkdir(exist_ok=True)
    front_end = json.dumps(asdict(sizes.MEL), indent=2)
    (folder / "preprocessor_config.json").write_text(front_end + "\n", encoding="utf-8")
