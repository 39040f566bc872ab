"""What the older trainer's `validation` block does to samples: every key of it, with the demo's model."""

from __future__ import annotations

import warnings

import pytest
import torch
from sample_cases import PROMPT, in_mode, latents_of, tokens_of

from ltx_core.config.load import build
from ltx_core.errors import LegacyConfigWarning
from ltx_core.stages.batches import Rows, open_contexts
from ltx_core.stages.generate import generate, texts_of
from ltx_core.stages.hooks import make_hooks, sample_requests
from ltx_core.stages.network import open_velocity
from ltx_core.stages.prompts import encode_prompts

OTHER = "a blue square moves right on a red background"
PLAIN = {
    "prompts": [PROMPT],
    "video_dims": [32, 32, 9],
    "inference_steps": 2,
    "seed": 7,
    "guidance_scale": 3.0,
    "videos_per_prompt": 1,
}
PICTURES = {"training_strategy": {"video": {}}}
REFERENCED = {"training_strategy": {"video": {"conditions": [{"type": "reference"}]}}}


@pytest.fixture(scope="module")
def made(sampling, files):
    """A function that makes the samples of an older config, with these keys of `validation` changed."""
    rows, velocity = Rows(sampling, []), open_velocity(sampling)

    def make(mode=PICTURES, **changes):
        raw = {"validation": PLAIN | changes, "dataset": {"source": "/nowhere"}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LegacyConfigWarning)
            config = build(raw, files, "older.yaml")
        stated = config.validation
        kept = {name: getattr(stated, name) for name in type(stated).model_fields}
        context = in_mode(sampling, mode["training_strategy"], **kept)
        requests = sample_requests(context, rows, {} if mode is REFERENCED else None)
        encode_prompts(sampling, texts_of(context, requests))
        contexts = open_contexts(sampling, Rows(sampling, []), ("video", "audio"))
        return generate(context, velocity, contexts, requests)

    return make


def video(found):
    return found.tokens["video"]


def test_prompts_seeds_and_steps_make_the_samples(made):
    (plain,) = made()
    (again,) = made()
    assert torch.equal(video(again), video(plain)) and plain.frames.shape == (9, 32, 32, 3)
    for changed in ({"prompts": [OTHER]}, {"seed": 8}, {"inference_steps": 3}, {"guidance_scale": 5.0}):
        (found,) = made(**changed)
        assert not torch.allclose(video(found), video(plain), atol=1e-3), changed
    (found,) = made(video_dims=[64, 32, 17])
    assert found.frames.shape == (17, 32, 64, 3)
    both = made(prompts=[PROMPT, OTHER])
    assert [one.request.prompt for one in both] == [PROMPT, OTHER]
    torch.testing.assert_close(video(both[0]), video(plain), rtol=0, atol=1e-4)


def test_several_videos_of_a_prompt_have_seeds_one_after_another(made):
    two = made(videos_per_prompt=2)
    assert [one.request.seed for one in two] == [7, 8]
    for one, seed in zip(two, (7, 8), strict=True):
        (alone,) = made(seed=seed)
        torch.testing.assert_close(video(one), video(alone), rtol=0, atol=1e-4)


def test_the_negative_prompt_is_what_guidance_leads_away_from(made):
    (plain,), (other,) = made(), made(negative_prompt=OTHER)
    assert not torch.allclose(video(other), video(plain), atol=1e-3)
    (plain,), (other,) = made(guidance_scale=1), made(guidance_scale=1, negative_prompt=OTHER)
    assert torch.equal(video(other), video(plain)), "without guidance there is nothing to lead away from"


def test_an_image_is_the_first_frame_and_a_reference_leads_the_video(made, sampling, files):
    (plain,) = made(video_dims=[64, 64, 9])
    (shown,) = made(video_dims=[64, 64, 9], images=["first.png"])
    tokens = tokens_of(latents_of(sampling, files / "clip.mp4", 1))
    torch.testing.assert_close(video(shown)[0, : len(tokens)], tokens, rtol=0, atol=0.05)
    assert not torch.allclose(video(plain)[0, : len(tokens)], tokens, atol=0.5)
    (led,) = made(REFERENCED, video_dims=[64, 64, 9], reference_videos=["clip.mp4"])
    assert led.request.strategy.video.conditions[0].type == "reference"
    (unled,) = made(video_dims=[64, 64, 9])
    assert not torch.allclose(video(led), video(unled), atol=1e-2)


def test_samples_are_made_at_their_interval_or_never(sampling, files):
    rows = Rows(sampling, [])
    parts = (open_velocity(sampling), open_contexts(sampling, rows))
    for interval, due in ((50, [50, 100]), (30, [30, 60, 90]), (None, [])):
        (draw,) = make_hooks(in_mode(sampling, {"video": {}}, interval=interval), files, rows, *parts)
        assert [step for step in range(1, 101) if draw.due(step, 1000)] == due
