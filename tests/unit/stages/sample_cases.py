"""A user's files and the demo's model, for the tests of samples; the models are loaded once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ltx_core.assemble import assemble, video_tokens
from ltx_core.config.load import load
from ltx_core.config.samples import SampleSection
from ltx_core.encoding.video import encode_video
from ltx_core.media.decode import read_frames
from ltx_core.media.fit import fit
from ltx_core.media.wav import wav_bytes
from ltx_core.media.write import write_video
from ltx_core.modes import Strategy
from ltx_core.run import Pipeline
from ltx_core.stages.batches import scales
from ltx_core.stages.generate import prompt_request
from ltx_core.stages.prompts import encode_prompts

ROOT = Path(__file__).parents[3]
PROMPT = "a red circle moves left on a teal background"
BOTH = {"video": {}, "audio": {}}
VIDEO = {"video": {}}
AUDIO = {"audio": {}}
A2V = {"video": {}, "audio": {"is_generated": False}}
V2A = {"video": {"is_generated": False}, "audio": {}}


def make_files(folder):
    """The files of a user: a clip of the sample's size, a longer one, an image, a sound."""
    film = ROOT / "data" / "footage" / "morning.mp4"
    frames = fit(read_frames(film, [3 * number for number in range(17)]), 64, 64)
    write_video(folder / "clip.mp4", frames[:9], 8.0, lossless=True)
    write_video(folder / "long.mp4", frames, 8.0, lossless=True)
    Image.fromarray(frames[0]).save(folder / "first.png")
    time = np.arange(9000) / 8000
    tone = np.stack([np.sin(2 * np.pi * 440 * time)] * 2).astype(np.float32) / 2
    (folder / "tone.wav").write_bytes(wav_bytes(tone, 8000))
    return folder


def make_base(workspace):
    """The context of the demo's config; it needs no dataset."""
    settings = [
        f"workspace={workspace}",
        "dataset.source=/nowhere",
        "validation.inference_steps=2",
        "engine.threads=1",
        "acceleration.threads=1",
    ]
    context = Pipeline(load(ROOT / "configs" / "base.yaml", settings, ROOT)).context
    encode_prompts(context, ["", PROMPT])
    return context


def in_mode(base, strategy, **validation):
    """The context of another mode, with the models of the first."""
    changed = {
        "training_strategy": Strategy.model_validate(strategy),
        "validation": base.config.validation.model_copy(update=validation),
    }
    context = Pipeline(base.config.model_copy(update=changed)).context
    context.__dict__.update(info=base.info, models=base.models)
    return context


def request(context, *conditions, trained=None, dims=None):
    section = SampleSection(prompt=PROMPT, conditions=conditions, video_dims=dims)
    return prompt_request(context, "01", section, trained)


def tracks(context, found):
    return assemble(found.strategy, found.batch, scales(context))


def latents_of(context, path, count, size=64):
    return encode_video(context.models.video(), fit(read_frames(path, list(range(count))), size, size))


def tokens_of(latents):
    return video_tokens(latents.float()[None])[0]
