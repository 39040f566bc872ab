"""Samples of every condition from real files: what they hold, what is refused, what is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ltx_core.assemble import assemble, audio_tokens, video_tokens
from ltx_core.config.load import load
from ltx_core.config.samples import SampleSection
from ltx_core.encoding.audio import encode_audio
from ltx_core.encoding.video import encode_video
from ltx_core.errors import ConfigError, LtxError
from ltx_core.media.audio import read_audio
from ltx_core.media.decode import read_frames
from ltx_core.media.fit import fit
from ltx_core.media.probe import probe
from ltx_core.media.wav import wav_bytes
from ltx_core.media.write import write_video
from ltx_core.modes import Strategy
from ltx_core.run import Pipeline
from ltx_core.stages.batches import Rows, open_contexts, scales
from ltx_core.stages.generate import generate, prompt_request
from ltx_core.stages.hooks import make_hooks
from ltx_core.stages.network import open_velocity
from ltx_core.stages.prompts import encode_prompts
from ltx_core.stages.samples import SHEET, write_samples

ROOT = Path(__file__).parents[3]
PROMPT = "a red circle moves left on a teal background"
BOTH = {"video": {}, "audio": {}}
VIDEO = {"video": {}}
AUDIO = {"audio": {}}
A2V = {"video": {}, "audio": {"is_generated": False}}
V2A = {"video": {"is_generated": False}, "audio": {}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of a user: a clip of the sample's size, a longer one, an image, a sound, masks."""
    folder = tmp_path_factory.mktemp("files")
    film = ROOT / "data" / "footage" / "morning.mp4"
    frames = fit(read_frames(film, [3 * number for number in range(17)]), 64, 64)
    write_video(folder / "clip.mp4", frames[:9], 8.0, lossless=True)
    write_video(folder / "long.mp4", frames, 8.0, lossless=True)
    Image.fromarray(frames[0]).save(folder / "first.png")
    time = np.arange(9000) / 8000
    tone = np.stack([np.sin(2 * np.pi * 440 * time)] * 2).astype(np.float32) / 2
    (folder / "tone.wav").write_bytes(wav_bytes(tone, 8000))
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The context of the demo's config, whose models are loaded once."""
    settings = [
        f"workspace={tmp_path_factory.mktemp('workspace')}",
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


HELD = [
    ({"type": "first_frame", "image_or_video": "first.png"}, slice(0, 16), 9),
    ({"type": "prefix", "video": "clip.mp4", "num_frames": 5}, slice(0, 32), 9),
    ({"type": "prefix", "video": "long.mp4", "duration": 1.0}, slice(0, 32), 9),  # 8 frames: n = 2
    ({"type": "suffix", "video": "clip.mp4", "num_frames": 3}, slice(32, 48), 9),  # at least one latent
    ({"type": "suffix", "video": "clip.mp4", "duration": 1.0}, slice(16, 48), 9),
]


@pytest.mark.parametrize(("condition", "where", "count"), HELD)
def test_a_video_condition_holds_what_training_would(base, folder, condition, where, count):
    field = "image_or_video" if condition["type"] == "first_frame" else "video"
    found = request(base, {**condition, field: folder / condition[field]})
    video = tracks(base, found)["video"]
    hold = torch.zeros(48)
    hold[where] = 1
    assert torch.equal(video.hold[0], hold)
    expected = tokens_of(latents_of(base, folder / "clip.mp4", count))
    torch.testing.assert_close(video.clean[0][where], expected[where], rtol=0.01, atol=0.02)
    assert not video.clean[0][hold == 0].any() and video.clean.shape == (1, 48, 32)


def test_a_suffix_is_the_files_end_and_two_conditions_compose(base, folder):
    found = request(
        base,
        {"type": "suffix", "video": folder / "long.mp4", "num_frames": 4},
        {"type": "first_frame", "image_or_video": folder / "first.png"},
    )
    video = tracks(base, found)["video"]
    assert [int(n) for n in video.hold[0].reshape(3, 16).sum(1)] == [16, 0, 16]
    end = fit(read_frames(folder / "long.mp4", list(range(8, 17))), 64, 64)
    expected = tokens_of(encode_video(base.models.video(), end, "bfloat16"))
    assert torch.equal(video.clean[0][32:], expected[32:])
    film = {"type": "prefix", "video": ROOT / "data" / "footage" / "wide.mp4", "num_frames": 1}
    with pytest.raises(LtxError, match="different content on 16 of the same tokens"):
        request(base, film, {"type": "first_frame", "image_or_video": folder / "first.png"})
    same = {"type": "prefix", "video": folder / "clip.mp4", "num_frames": 5}
    request(base, same, {"type": "first_frame", "image_or_video": folder / "first.png"})


@pytest.mark.parametrize("fitting", ["frame", "region"])
def test_a_crop_holds_its_region_in_every_frame(base, folder, fitting):
    stated = {"type": "spatial_crop", "video": folder / "clip.mp4", "spatial_region": [16, 0, 64, 32]}
    video = tracks(base, request(base, {**stated, "fit": fitting}))["video"]
    held = video.hold[0].reshape(3, 4, 4)
    assert held[:, 1:, :2].all() and held.sum() == 3 * 6
    whole = tokens_of(latents_of(base, folder / "clip.mp4", 9))
    same = torch.isclose(video.clean[0], whole, rtol=0.01, atol=0.02).all(1)[video.hold[0] == 1]
    assert bool(same.all()) == (fitting == "frame")
    with pytest.raises(ConfigError, match="covers no cell of 16x16 pixels"):
        request(base, {**stated, "spatial_region": [0, 0, 15, 64]})


def test_a_mask_holds_what_is_white_softly_at_its_edges(base, folder):
    picture = np.zeros((64, 64), np.uint8)
    picture[:, :24] = 255
    Image.fromarray(picture).save(folder / "half.png")
    picture[:] = 255
    Image.fromarray(picture).save(folder / "white.png")
    stated = {"type": "mask", "video": folder / "clip.mp4", "mask": folder / "half.png"}
    video = tracks(base, request(base, stated))["video"]
    held = video.hold[0].reshape(3, 4, 4)
    assert torch.equal(held, torch.tensor([1, 0.5, 0, 0]).expand(3, 4, 4))
    whole = tokens_of(latents_of(base, folder / "clip.mp4", 9))
    where = video.hold[0] > 0
    torch.testing.assert_close(video.clean[0][where], whole[where], rtol=0.01, atol=0.02)
    assert not video.clean[0][~where].any()
    with pytest.raises(ConfigError, match="keep all of the video"):
        request(base, {**stated, "mask": folder / "white.png"})


@pytest.mark.parametrize(
    ("space", "time", "shape"), [(1, 1, (3, 4, 4)), (2, 2, (2, 2, 2)), (4, 1, (3, 1, 1))]
)
def test_a_reference_is_attached_at_its_own_size_and_rate(base, folder, space, time, shape):
    context = in_mode(base, VIDEO)
    stated = {
        "type": "reference",
        "video": folder / "clip.mp4",
        "downscale_factor": space,
        "temporal_scale_factor": time,
    }
    trained = {"reference_downscale_factor": str(space), "reference_temporal_scale_factor": str(time)}
    found = request(context, stated, trained=trained)
    (column,) = found.batch.columns.values()
    assert tuple(column.shape[2:]) == shape and float(found.batch.column_fps["sample_0"]) == 8 / time
    video = tracks(context, found)["video"]
    count = int(np.prod(shape))
    assert video.clean.shape[1] == count + 48 and video.targets == 48
    # Scaled to the target: both end together, in time and in space.
    assert torch.allclose(video.positions[0, :, :count, 1].amax(1), video.positions[0, :, count:, 1].amax(1))
    with pytest.raises(
        ConfigError, match=f"is {space}, but the LoRA was trained with reference_downscale_fac"
    ):
        request(context, stated, trained={**trained, "reference_downscale_factor": str(space + 1)})


def test_sound_is_held_given_and_attached(base, folder):
    audio = str(folder / "tone.wav")
    context = in_mode(base, AUDIO)
    expected = encode_audio(base.models.audio(), read_audio(audio, 0, 9 / 8, 8000), 9 / 8, "bfloat16")
    expected = audio_tokens(expected.float()[None])[0]
    for kind, length, where in (
        ("prefix", {"num_frames": 4}, slice(0, 4)),
        ("suffix", {"duration": 0.5}, slice(6, 11)),
    ):
        track = tracks(context, request(context, {"type": kind, "audio": audio, **length}))["audio"]
        assert track.hold[0].nonzero().flatten().tolist() == list(range(11))[where]
        assert torch.equal(track.clean[0][where], expected[where])
    track = tracks(context, request(context, {"type": "reference", "audio": audio}))["audio"]
    assert track.targets == 11 and torch.equal(track.clean[0][:11], expected)
    mask = folder / "mask.json"
    mask.write_text('{"generate": [[0.5, 2.0]]}')
    track = tracks(context, request(context, {"type": "mask", "audio": audio, "mask": mask}))["audio"]
    assert track.hold[0].nonzero().flatten().tolist() == [0, 1, 2, 3, 4, 5]  # step 5 begins before 0.5 s
    assert torch.equal(track.clean[0][:6], expected[:6]) and not track.clean[0][6:].any()
    given = request(in_mode(base, A2V), {"type": "audio_to_video", "audio": audio})
    track = tracks(context, given)["audio"]
    assert not track.generated and torch.equal(track.clean[0], expected)
    assert given.shown.wave.shape == (2, 9000)


REFUSED = [
    (A2V, {}, (), "the mode a2v makes samples for a given audio; add the condition"),
    (V2A, {}, (), "add the condition {type: video_to_audio, video: FILE}"),
    (VIDEO, {}, ({"type": "prefix", "audio": "tone.wav"},), "on audio, which it does not have"),
    (AUDIO, {}, ({"type": "first_frame", "image_or_video": "first.png"},), "validation.generate_video=true"),
    (VIDEO, {"generate_video": False}, (), "nothing is left to generate"),
    (BOTH, {}, ({"type": "prefix", "video": "long.mp4"},), "holds 5 latent frames of a sample of 3"),
    (BOTH, {}, ({"type": "suffix", "audio": "tone.wav"},), "11 latent steps of a sample of 11"),
    (BOTH, {}, ({"type": "prefix", "video": "clip.mp4", "num_frames": 10},), "at most num_frames: 9"),
    (BOTH, {}, ({"type": "prefix", "audio": "tone.wav", "duration": 9},), "90 latent steps are wanted"),
    (BOTH, {}, ({"type": "prefix", "audio": "clip.mp4"},), "has no sound"),
    (
        BOTH,
        {},
        ({"type": "spatial_crop", "video": "clip.mp4", "spatial_region": [0, 0, 64, 64]},),
        "keep all of the video",
    ),
    (VIDEO, {}, ({"type": "reference", "video": "clip.mp4", "downscale_factor": 3},), "use 1, 2, 4"),
    (VIDEO, {}, ({"type": "reference", "video": "clip.mp4", "temporal_scale_factor": 3},), "use 1, 2"),
]


@pytest.mark.parametrize(("strategy", "validation", "conditions", "message"), REFUSED)
def test_what_makes_no_sense_is_refused_with_the_fix(base, folder, strategy, validation, conditions, message):
    context = in_mode(base, strategy, **validation)
    paths = ("video", "audio", "image_or_video")
    stated = [{k: folder / v if k in paths else v for k, v in c.items()} for c in conditions]
    with pytest.raises(ConfigError) as refused:
        request(context, *stated)
    assert message in str(refused.value)


def test_samples_before_the_first_step_where_the_config_states_some(base, folder):
    """Those of held-out clips would say what the report's base samples say."""
    stated = (SampleSection(prompt=PROMPT, video_dims=(32, 32, 5)),)
    cases = {(): False, stated: True}
    rows, found = Rows(base, []), []
    for samples, wanted in cases.items():
        context = in_mode(base, BOTH, samples=samples)
        (draw,) = make_hooks(context, folder, rows, open_velocity(base), open_contexts(base, rows))
        assert draw.due(0, 10) is wanted
        found.append(draw)
    found[1].call(0)
    assert {path.name for path in (folder / "samples" / "step_000000").iterdir()} == {"01.mp4", SHEET}
    skipping = in_mode(base, BOTH, samples=stated, skip_initial_validation=True)
    (draw,) = make_hooks(skipping, folder, rows, open_velocity(base), open_contexts(base, rows))
    assert not draw.due(0, 10) and draw.due(100, 200)


def test_every_kind_of_sample_is_written_and_shown(base, folder):
    """Video with sound, each given, each alone, a reference beside: one file each and one picture."""
    clip, tone = folder / "clip.mp4", folder / "tone.wav"
    cases = {
        "both": (in_mode(base, BOTH), ()),
        "v2a": (in_mode(base, V2A), ({"type": "video_to_audio", "video": clip},)),
        "a2v": (in_mode(base, A2V), ({"type": "audio_to_video", "audio": tone},)),
        "silent": (in_mode(base, BOTH, generate_audio=False), ()),
        "added": (in_mode(base, VIDEO, generate_audio=True), ()),
        "sound": (in_mode(base, AUDIO), ()),
        "beside": (
            in_mode(base, VIDEO),
            ({"type": "reference", "video": clip, "downscale_factor": 2, "include_in_output": True},),
        ),
    }
    rows = Rows(base, [])
    velocity, contexts = open_velocity(base), open_contexts(base, rows)
    made = {}
    for name, (context, conditions) in cases.items():
        (found,) = generate(context, velocity, contexts, [request(context, *conditions)])
        made[name] = found
        (path,) = write_samples(folder / name, [found])
        info = probe(path)
        assert path.suffix == (".wav" if name == "sound" else ".mp4")
        assert info.has_audio == (name not in ("silent", "beside"))
        if name != "sound":
            assert (info.frames, info.height, info.width) == (9, 64, 128 if name == "beside" else 64)
        assert Image.open(folder / name / SHEET).size[0] > 300
    frames = read_frames(clip, list(range(9)))
    assert np.array_equal(made["v2a"].frames, frames) and made["v2a"].wave.shape == (2, 9000)
    assert np.array_equal(made["a2v"].wave, made["a2v"].request.shown.wave)
    assert made["sound"].frames is None and made["sound"].wave.shape == (2, 9000)
    assert not np.array_equal(made["both"].wave, made["v2a"].wave)
    assert made["silent"].wave is None and made["silent"].frames.shape == (9, 64, 64, 3)
