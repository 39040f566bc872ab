"""Sound is aligned with the pictures, at any rate and from any start."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from media_files import counted_frames, tone

from ltx_core.media.audio import is_silent, loudness, read_audio
from ltx_core.media.pitch import pitch
from ltx_core.media.resample import resample, to_stereo
from ltx_core.media.write import write_video


def test_a_stretch_equals_the_same_stretch_of_the_whole(video):
    whole = read_audio(video, 0, 100 / 30, 16000)
    assert np.mean((whole - tone(440, 100 / 30)) ** 2) < 1e-4
    for start, length in ((0.0, 0.5), (1.0, 1.125), (2.3333, 0.7)):
        part = read_audio(video, start, length, 16000)
        first = round(start * 16000)
        assert part.shape == (2, round(length * 16000))
        np.testing.assert_array_equal(part, whole[:, first : first + part.shape[1]])


def test_resampled_stretches_keep_time_and_pitch(video):
    wave = read_audio(video, 1.0, 1.125, 8000)
    assert wave.shape == (2, 9000)
    assert np.mean((wave - tone(440, 2.125, 8000)[:, 8000:]) ** 2) < 1e-4
    assert pitch(wave, 8000) == pytest.approx(440, rel=0.01)


def test_sound_that_starts_late_gets_silence_in_front(tmp_path):
    path = tmp_path / "late.mkv"
    rate, samples = 16000, tone(440, 1.5)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height = 96, 64
        sound = container.add_stream("pcm_s16le", rate=rate, layout="stereo")
        for number, image in enumerate(counted_frames(20)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for start in range(0, samples.shape[1], 1000):
            block = (samples[:, start : start + 1000].T.reshape(1, -1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="s16", layout="stereo")
            frame.rate, frame.pts, frame.time_base = rate, start + rate // 2, Fraction(1, rate)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    wave = read_audio(path, 0, 2, rate)
    assert not wave[:, : rate // 2 - 50].any()
    np.testing.assert_allclose(wave[:, rate // 2 :], samples, atol=1e-3)
    assert not read_audio(path, 5, 0.5, rate).any()


def test_a_file_without_sound_gives_none_and_a_silent_one_is_silent(tmp_path):
    write_video(tmp_path / "mute.mp4", counted_frames(10), 10)
    assert read_audio(tmp_path / "mute.mp4", 0, 1, 16000) is None
    write_video(tmp_path / "silent.mp4", counted_frames(10), 10, tone(440, 1, amplitude=0), 16000)
    wave = read_audio(tmp_path / "silent.mp4", 0, 1, 16000)
    assert is_silent(wave)
    assert loudness(wave) == -120.0
    assert pitch(wave, 16000) == 0.0


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("hertz", [110, 220, 520, 1200, 1800])
def test_pitch_is_within_a_twentieth_of_a_semitone(hertz, rate):
    noise = np.random.default_rng(0).normal(0, 0.02, (2, rate)).astype(np.float32)
    wave = tone(hertz, 1, rate) + tone(2 * hertz, 1, rate, 0.12) + noise
    assert abs(12 * np.log2(pitch(wave, rate) / hertz)) < 0.05


def test_noise_has_no_pitch_and_a_full_scale_square_is_0_decibels():
    noise = np.random.default_rng(0).normal(0, 0.2, (2, 16000)).astype(np.float32)
    assert pitch(noise, 16000) == 0.0
    assert loudness(np.sign(noise)) == pytest.approx(0.0)
    assert loudness(tone(100, 1, amplitude=1.0)) == pytest.approx(-3.01, abs=0.01)


def test_resampling_keeps_a_tone_and_its_length():
    wave = torch.from_numpy(tone(300, 1, 44100))
    out = resample(wave, 44100, 16000)
    assert out.shape == (2, 16000)
    np.testing.assert_allclose(out[:, 200:-200], tone(300, 1, 16000)[:, 200:-200], atol=2e-3)
    assert resample(wave, 44100, 44100) is wave
    with pytest.raises(ValueError, match="rates must be positive"):
        resample(wave, 0, 16000)


def test_mono_is_doubled_and_surround_stays_in_range():
    mono = torch.linspace(-1, 1, 5)[None]
    assert torch.equal(to_stereo(mono), mono.expand(2, -1))
    for channels in (3, 6, 8):
        mixed = to_stereo(torch.ones(channels, 4))
        assert mixed.shape == (2, 4)
        torch.testing.assert_close(mixed, torch.ones(2, 4))
