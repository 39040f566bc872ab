"""Samples of every condition from real files: what they hold, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from sample_cases import A2V, AUDIO, BOTH, ROOT, V2A, VIDEO, in_mode, latents_of, request, tokens_of, tracks

from ltx_core.assemble import audio_tokens
from ltx_core.encoding.audio import encode_audio
from ltx_core.encoding.video import encode_video
from ltx_core.errors import ConfigError, LtxError
from ltx_core.media.audio import read_audio
from ltx_core.media.decode import read_frames
from ltx_core.media.fit import fit

HELD = [
    ({"type": "first_frame", "image_or_video": "first.png"}, slice(0, 16), 9),
    ({"type": "prefix", "video": "clip.mp4", "num_frames": 5}, slice(0, 32), 9),
    ({"type": "prefix", "video": "long.mp4", "duration": 1.0}, slice(0, 32), 9),  # 8 frames: n = 2
    ({"type": "suffix", "video": "clip.mp4", "num_frames": 3}, slice(32, 48), 9),  # at least one latent
    ({"type": "suffix", "video": "clip.mp4", "duration": 1.0}, slice(16, 48), 9),
]


@pytest.mark.parametrize(("condition", "where", "count"), HELD)
def test_a_video_condition_holds_what_training_would(sampling, files, condition, where, count):
    field = "image_or_video" if condition["type"] == "first_frame" else "video"
    found = request(sampling, {**condition, field: files / condition[field]})
    video = tracks(sampling, found)["video"]
    hold = torch.zeros(48)
    hold[where] = 1
    assert torch.equal(video.hold[0], hold)
    expected = tokens_of(latents_of(sampling, files / "clip.mp4", count))
    torch.testing.assert_close(video.clean[0][where], expected[where], rtol=0.01, atol=0.02)
    assert not video.clean[0][hold == 0].any() and video.clean.shape == (1, 48, 32)


def test_a_suffix_is_the_files_end_and_two_conditions_compose(sampling, files):
    found = request(
        sampling,
        {"type": "suffix", "video": files / "long.mp4", "num_frames": 4},
        {"type": "first_frame", "image_or_video": files / "first.png"},
    )
    video = tracks(sampling, found)["video"]
    assert [int(n) for n in video.hold[0].reshape(3, 16).sum(1)] == [16, 0, 16]
    end = fit(read_frames(files / "long.mp4", list(range(8, 17))), 64, 64)
    expected = tokens_of(encode_video(sampling.models.video(), end, "bfloat16"))
    assert torch.equal(video.clean[0][32:], expected[32:])
    film = {"type": "prefix", "video": ROOT / "data" / "footage" / "wide.mp4", "num_frames": 1}
    with pytest.raises(LtxError, match="different content on 16 of the same tokens"):
        request(sampling, film, {"type": "first_frame", "image_or_video": files / "first.png"})
    same = {"type": "prefix", "video": files / "clip.mp4", "num_frames": 5}
    request(sampling, same, {"type": "first_frame", "image_or_video": files / "first.png"})


@pytest.mark.parametrize("fitting", ["frame", "region"])
def test_a_crop_holds_its_region_in_every_frame(sampling, files, fitting):
    stated = {"type": "spatial_crop", "video": files / "clip.mp4", "spatial_region": [16, 0, 64, 32]}
    video = tracks(sampling, request(sampling, {**stated, "fit": fitting}))["video"]
    held = video.hold[0].reshape(3, 4, 4)
    assert held[:, 1:, :2].all() and held.sum() == 3 * 6
    whole = tokens_of(latents_of(sampling, files / "clip.mp4", 9))
    same = torch.isclose(video.clean[0], whole, rtol=0.01, atol=0.02).all(1)[video.hold[0] == 1]
    assert bool(same.all()) == (fitting == "frame")
    with pytest.raises(ConfigError, match="covers no cell of 16x16 pixels"):
        request(sampling, {**stated, "spatial_region": [0, 0, 15, 64]})


def test_a_mask_holds_what_is_white_softly_at_its_edges(sampling, files):
    picture = np.zeros((64, 64), np.uint8)
    picture[:, :24] = 255
    Image.fromarray(picture).save(files / "half.png")
    picture[:] = 255
    Image.fromarray(picture).save(files / "white.png")
    stated = {"type": "mask", "video": files / "clip.mp4", "mask": files / "half.png"}
    video = tracks(sampling, request(sampling, stated))["video"]
    held = video.hold[0].reshape(3, 4, 4)
    assert torch.equal(held, torch.tensor([1, 0.5, 0, 0]).expand(3, 4, 4))
    whole = tokens_of(latents_of(sampling, files / "clip.mp4", 9))
    where = video.hold[0] > 0
    torch.testing.assert_close(video.clean[0][where], whole[where], rtol=0.01, atol=0.02)
    assert not video.clean[0][~where].any()
    with pytest.raises(ConfigError, match="keep all of the video"):
        request(sampling, {**stated, "mask": files / "white.png"})


@pytest.mark.parametrize(
    ("space", "time", "shape"), [(1, 1, (3, 4, 4)), (2, 2, (2, 2, 2)), (4, 1, (3, 1, 1))]
)
def test_a_reference_is_attached_at_its_own_size_and_rate(sampling, files, space, time, shape):
    context = in_mode(sampling, VIDEO)
    stated = {
        "type": "reference",
        "video": files / "clip.mp4",
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


def test_sound_is_held_given_and_attached(sampling, files):
    audio = str(files / "tone.wav")
    context = in_mode(sampling, AUDIO)
    expected = encode_audio(sampling.models.audio(), read_audio(audio, 0, 9 / 8, 8000), 9 / 8, "bfloat16")
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
    mask = files / "mask.json"
    mask.write_text('{"generate": [[0.5, 2.0]]}')
    track = tracks(context, request(context, {"type": "mask", "audio": audio, "mask": mask}))["audio"]
    assert track.hold[0].nonzero().flatten().tolist() == [0, 1, 2, 3, 4, 5]  # step 5 begins before 0.5 s
    assert torch.equal(track.clean[0][:6], expected[:6]) and not track.clean[0][6:].any()
    given = request(in_mode(sampling, A2V), {"type": "audio_to_video", "audio": audio})
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
    (BOTH, {}, ({"type": "prefix", "video": "clip.mp4", "num_frames": 10},), "largest num_frames is 9,"),
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
def test_what_makes_no_sense_is_refused_with_the_fix(
    sampling, files, strategy, validation, conditions, message
):
    context = in_mode(sampling, strategy, **validation)
    paths = ("video", "audio", "image_or_video")
    stated = [{k: files / v if k in paths else v for k, v in c.items()} for c in conditions]
    with pytest.raises(ConfigError) as refused:
        request(context, *stated)
    assert message in str(refused.value)
