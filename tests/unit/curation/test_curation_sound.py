"""Sound: windows of durations, masks over time, references made of a sound, words for it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltx_core.curation.buckets import choose_duration
from ltx_core.curation.captioning.answer import NoCaptionError
from ltx_core.curation.captioning.describe_sound import describe_sound
from ltx_core.curation.captioning.endpoint import Endpoint
from ltx_core.curation.cutting.scene import Scene
from ltx_core.curation.cutting.windows import cut_durations, cut_sound, cut_windows
from ltx_core.curation.masking.audio_file import read_audio_mask
from ltx_core.curation.masking.audio_mask import AudioMask, latent_audio_mask, mask_picture, spans_mask
from ltx_core.curation.masking.audio_spans import draw_spans
from ltx_core.curation.options.captions import CaptionOptions
from ltx_core.curation.options.masks import AudioMaskOptions
from ltx_core.curation.referencing.audio_lowpass import lowpass
from ltx_core.curation.referencing.audio_noise import add_noise
from ltx_core.geometry.grid import AudioGrid, AudioScale
from ltx_core.geometry.units import audio_steps
from ltx_core.media.audio import loudness
from ltx_core.media.errors import MediaError
from ltx_core.media.wav import wav_bytes

SCALE = AudioScale(16000, 160, 4)
"""LTX-2's: 25 latent steps a second."""


def tone(hertz, seconds, rate=8000, amplitude=0.5):
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave, wave]).astype(np.float32)


def test_a_sound_is_cut_into_the_longest_durations_that_fit():
    cuts = cut_sound(0.025, 3.3, 8000, [0.5, 1.125])
    assert [(cut.index, round(cut.end_s - cut.start_s, 6)) for cut in cuts] == [
        (1, 1.125),
        (2, 1.125),
        (3, 0.5),
        (4, 0.5),
    ]
    assert [(cut.start_frame, cut.end_frame) for cut in cuts[:2]] == [(200, 9200), (9200, 18200)]
    (short,) = cut_sound(0.0, 0.3, 8000, [0.5])
    assert (short.status, short.reason) == ("rejected", "shorter than every bucket: 0.300 < 0.5 s")
    assert str(choose_duration(1.2, [0.5, 1.125])) == "1.125s" and choose_duration(0.4, [0.5]) is None
    assert choose_duration(1.125 - 1e-9, [1.125]).seconds(24) == 1.125


@settings(max_examples=50, deadline=None)
@given(
    frames=st.integers(1, 120),
    fps=st.sampled_from([8.0, 24.0, 30000 / 1001]),
    counts=st.lists(st.integers(2, 40), min_size=1, max_size=3, unique=True),
)
def test_windows_of_a_film_are_the_same_by_frames_and_by_seconds(frames, fps, counts):
    scene = Scene(5, 5 + frames, 0.2, 0.2 + frames / 25)
    by_frames = cut_windows([scene], fps, counts)
    by_seconds = cut_durations([scene], [count / fps for count in counts])
    assert [(cut.start_frame, cut.end_frame, cut.status) for cut in by_frames] == [
        (cut.start_frame, cut.end_frame, cut.status) for cut in by_seconds
    ]


def test_drawn_spans_lie_apart_and_cover_the_share_asked_for():
    options = AudioMaskOptions("spans", coverage=0.3, spans=3)
    drawn = [draw_spans(f"clip {n}", 4.0, options, least=0.08) for n in range(60)]
    for spans in drawn:
        edges = [0.0, *(edge for span in spans for edge in span), 4.0]
        assert edges == sorted(edges) and all(end - start >= 0.08 - 1e-9 for start, end in spans)
        assert sum(end - start for start, end in spans) == pytest.approx(1.2)
    assert {len(spans) for spans in drawn} == {1, 2, 3} and len({tuple(spans) for spans in drawn}) == 60
    assert drawn[0] == draw_spans("clip 0", 4.0, options, least=0.08)
    assert drawn[0] != draw_spans("clip 0", 4.0, AudioMaskOptions("spans", 1, 0.3, 3), least=0.08)
    for seconds in (0.05, 0.2, 1.125):  # a short clip has at least one whole step to generate, if it can
        spans = draw_spans("clip", seconds, options, least=0.2)
        assert max(end - start for start, end in spans) >= min(0.2, seconds) - 1e-9


def test_latent_masks_are_the_mean_over_each_steps_time_by_the_causal_rule():
    # Step t covers mel frames max(0, 4t - 3) to 4t + 1 of 10 ms: 0-10 ms, 10-50 ms, 50-90 ms, ...
    mask = spans_mask([(0.0, 0.01), (0.06, 0.09), (0.11, 0.5)], 1.0)
    found = latent_audio_mask(mask, 1.0, SCALE)
    assert found.dtype == np.float32 and found.shape == (25,)
    np.testing.assert_allclose(found[:4], [0, 1, 0.25, 0.5], atol=1e-6)
    assert found[4:13].tolist() == [0] * 9 and found[13:].tolist() == [0.75] + [1] * 11
    assert latent_audio_mask(mask, 1.0, SCALE, 0.5)[:4].tolist() == [0, 1, 0, 1]
    assert latent_audio_mask(mask, 1.0, SCALE, 0.2)[:4].tolist() == [0, 1, 1, 1]


@settings(max_examples=40, deadline=None)
@given(
    seconds=st.floats(0.1, 3.0),
    rate=st.sampled_from([1000, 8000, 44100]),
    scale=st.sampled_from([SCALE, AudioScale(8000, 200, 4), AudioScale(48000, 480, 2)]),
    seed=st.integers(0, 99),
)
def test_latent_masks_equal_a_slow_mean_at_the_positions_of_the_steps(seconds, rate, scale, seed):
    values = np.random.default_rng(seed).random(round(seconds * rate)).astype(np.float32)
    found = latent_audio_mask(AudioMask(values, rate), seconds, scale)
    steps = audio_steps(seconds, scale)
    positions = AudioGrid(steps, scale).positions()[0].double().numpy()
    for value, (start, end) in zip(found, positions, strict=True):
        low, high = min(start * rate, len(values)), min(end * rate, len(values))
        edges = np.arange(len(values) + 1)
        weights = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None)
        expected = (values * weights).sum() / weights.sum() if weights.sum() > 1e-3 else values[-1]
        assert value == pytest.approx(expected, abs=2e-3)


def test_mask_files_are_read_in_both_forms(tmp_path):
    (tmp_path / "m.json").write_text('{"generate": [[0.5, 0.7]]}')
    values = np.ones((1, 8000), np.float32)
    values[0, 4000:5600] = 0
    (tmp_path / "m.wav").write_bytes(wav_bytes(-values, 8000))  # the sign of a sound does not count
    listed, painted = (read_audio_mask(tmp_path / name, 1.0) for name in ("m.json", "m.wav"))
    assert set(np.unique(painted.values)) == {0, 1}
    np.testing.assert_allclose(
        latent_audio_mask(listed, 1.0, SCALE), latent_audio_mask(painted, 1.0, SCALE), atol=1e-6
    )
    late = read_audio_mask(tmp_path / "m.wav", 0.25, 0.5)
    assert late.values[: 8 * 199].max() == 0 and late.values[8 * 201 :].min() == 1
    picture = mask_picture(painted, 100, 10)
    assert picture.shape == (10, 100, 3) and picture[:, 50:70].max() == 0 and picture[:, :50].min() == 255


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.json", "{", "malformed JSON"),
        ("m.json", "[[0, 1]]", r'write \{"generate": \[\[start, end\], ...\]\} in seconds'),
        ("m.json", '{"keep": []}', "no mask; write"),
        ("m.json", '{"generate": [[1]]}', r"\[1\] is no span"),
        ("m.json", '{"generate": [[1, 0.5]]}', "must begin at 0 or later and end after it begins"),
        ("m.json", '{"generate": [["a", true]]}', "is no span"),
        ("m.wav", "no sound", "a text file, not a video"),
    ],
)
def test_bad_mask_files_name_the_form(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(MediaError, match=message):
        read_audio_mask(tmp_path / name, 1.0)


def test_a_mask_that_ends_before_its_sound_is_refused(tmp_path):
    (tmp_path / "m.wav").write_bytes(wav_bytes(np.ones((1, 800), np.float32), 1000))
    with pytest.raises(MediaError, match=r"the mask ends at 0\.80 s, its sound at 1\.00 s"):
        read_audio_mask(tmp_path / "m.wav", 1.0)
    (tmp_path / "m.wav").write_bytes(wav_bytes(np.ones((1, 970), np.float32), 1000))
    assert read_audio_mask(tmp_path / "m.wav", 1.0).values.min() == 1  # its last value goes on


def test_a_muffled_sound_keeps_its_length_time_and_low_tones():
    low, high = tone(200, 1), tone(3000, 1)
    found = lowpass(low + high, 8000, 1000)
    assert found.shape == low.shape and found.dtype == np.float32
    inside = slice(400, -400)
    np.testing.assert_allclose(found[:, inside], low[:, inside], atol=0.07)
    assert loudness(lowpass(high, 8000, 1000)) == pytest.approx(loudness(high) - 19, abs=0.5)  # (3000/1000)^2


def test_noise_lies_below_the_sound_by_the_ratio_and_is_a_function_of_clip_and_seed():
    wave = tone(440, 1, amplitude=0.2)
    noise = add_noise(wave, "clip", 12, 0) - wave
    assert loudness(wave) - loudness(noise) == pytest.approx(12, abs=0.2)
    assert np.array_equal(add_noise(wave, "clip", 12, 0) - wave, noise)
    for clip, seed in (("clip", 1), ("other", 0)):
        assert not np.array_equal(add_noise(wave, clip, 12, seed) - wave, noise)
    assert np.abs(add_noise(tone(440, 1, amplitude=1), "clip", 0, 0)).max() <= 1


@pytest.mark.parametrize(
    ("wave", "text"),
    [
        (tone(200, 1), "a low hum, dull"),
        (tone(1500, 1, amplitude=0.005), "a quiet high beep"),
        (tone(1500, 1) * np.linspace(1, 0.05, 8000, dtype=np.float32), "a high beep, fading"),
        (tone(700, 1) * np.linspace(0.05, 1, 8000, dtype=np.float32), "a mid tone, swelling"),
        (tone(700, 1) * (np.arange(8000) // 1000 % 2 == 0).astype(np.float32), "a mid tone, with pauses"),
        (
            np.random.default_rng(0).uniform(-0.5, 0.5, (2, 16000)).astype(np.float32),
            "sound without a pitch, bright",
        ),
        (np.zeros((2, 8000), np.float32), "silence"),
        (None, "silence"),
    ],
)
def test_words_for_a_sound(wave, text):
    found, facts = describe_sound(wave, 16000 if wave is not None and wave.shape[1] == 16000 else 8000)
    assert found == text
    json.dumps(facts)


def test_a_server_is_sent_the_sound_alone():
    options = CaptionOptions(captioner="endpoint", model="listener", sound=False)
    with Endpoint(options) as endpoint:
        body = endpoint.request(None, 24, tone(440, 1, 16000), 16000)
        parts = body["messages"][0]["content"]
        assert [part["type"] for part in parts] == ["input_audio", "text"]
        assert parts[1]["text"] == options.sound_prompt != options.prompt
        with pytest.raises(NoCaptionError, match="silent: there is nothing to describe"):
            endpoint.request(None, 24, np.zeros((2, 16000), np.float32), 16000)
