"""What is measured of real films tells good from bad with a margin, at any size, rate or compression."""

from __future__ import annotations

from pathlib import Path

import cv2
import filter_clips as clips
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltx_core.curation.measures.film import FilmMeasures
from ltx_core.curation.measures.phash import NO_HASH
from ltx_core.curation.measures.scores import picture_scores, sound_scores, sync_scores
from ltx_core.curation.measures.sound import SoundMeasures, measure_sound
from ltx_core.curation.options.filters import FilterOptions

OPTIONS = FilterOptions()
COUNT = 48


@pytest.fixture(scope="module")
def base() -> np.ndarray:
    """Two seconds of a camera that moves over a world with detail."""
    return clips.pan(1, COUNT)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Scores of frames as a film of two seconds, encoded and read back."""
    folder = tmp_path_factory.mktemp("films")

    def score(frames: np.ndarray, fps: float = 24, crf: int = 20) -> dict:
        path = clips.write(folder / f"{len(list(folder.iterdir()))}.mp4", frames, fps, crf=crf)
        return picture_scores(measured(path), 0, len(frames))

    return score


def measured(path: Path) -> dict[str, np.ndarray]:
    film = FilmMeasures()
    shown = clips.small_frames(path)
    for frame in shown:
        film.see(*frame)
    return {"times": np.array([time for _, time, _ in shown]), **film.result()}


def resized(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.stack([cv2.resize(f, (width, height), interpolation=cv2.INTER_AREA) for f in frames])


def test_dark_and_black(base, scored):
    base = base[::2]
    good, dark = scored(base), scored((base * 0.06).astype(np.uint8))
    assert good["luma"] > 4 * OPTIONS.dark.below > 8 * dark["luma"] / 2
    night = scored((base * 0.3).astype(np.uint8))
    assert night["luma"] > 1.5 * OPTIONS.dark.below and night["black_share"] == 0
    assert dark["black_share"] == 1 > good["black_share"] == 0
    lead_in = base.copy()
    lead_in[: COUNT // 8] = 16  # black as video levels have it
    assert scored(lead_in)["black_share"] == pytest.approx(0.25, abs=0.03)


def test_out_of_focus_at_any_size_compression_and_grain(base, scored):
    base, least = base[:16], OPTIONS.blurred.below
    soft_ground = clips.defocused(base, 4)
    soft_ground[:, 50:110, 90:170] = base[:, 50:110, 90:170]
    sharp = [
        scored(base),
        scored(base, crf=34),
        scored(resized(base, 640, 360), crf=28),
        scored(resized(base, 160, 90)),
        scored((base * 0.4).astype(np.uint8)),
        scored(soft_ground),
    ]
    assert min(found["sharpness"] for found in sharp) > 2 * least
    blurred = clips.defocused(base, 4)
    grain = np.random.default_rng(0).normal(0, 4, blurred.shape)
    soft = [scored(blurred), scored(np.clip(blurred + grain, 0, 255).astype(np.uint8), crf=24)]
    soft.append(scored(resized(blurred, 640, 360)))
    assert max(found["sharpness"] for found in soft) < 0.9 * least


def test_frozen_static_and_moving(base, scored):
    moving, frozen = scored(base), scored(np.repeat(base[:1], COUNT, axis=0))
    assert moving["frozen_share"] == 0 and moving["motion"] > 10 * OPTIONS.static.below
    assert frozen["frozen_share"] == 1 and frozen["motion"] < OPTIONS.static.below / 3
    grain = np.random.default_rng(0).normal(0, 2, (COUNT, *base.shape[1:]))
    grainy = scored(np.clip(base[:1] + grain, 0, 255).astype(np.uint8))
    assert grainy["frozen_share"] == 1
    # Something small that moves, a slow drift, and a film that shows each frame twice are not frozen.
    small = np.repeat(base[:1], COUNT, axis=0)
    for number, frame in enumerate(small):
        cv2.circle(frame, (60 + number, 70), 5, (250, 20, 20), -1)
    assert scored(small)["frozen_share"] < 0.5
    drift = np.stack(
        [cv2.warpAffine(base[0], np.float32([[1, 0, -n / 24], [0, 1, 0]]), (256, 144)) for n in range(48)]
    )
    assert scored(drift)["frozen_share"] < 0.95
    assert scored(base[: COUNT // 2].repeat(2, axis=0))["frozen_share"] == 0


def test_writing_and_overlays(base, scored):
    clean = [scored(base), scored(clips.pan(3, COUNT)), scored(clips.defocused(base, 2))]
    assert max(found["text_share"] for found in clean) < OPTIONS.text.above / 3
    assert max(found["overlay_share"] for found in clean) < OPTIONS.text.overlay_above / 5
    caption = clips.with_text(base, "The quick brown fox jumps", 0.5, (0.05, 0.9))
    found = scored(caption)
    assert found["overlay_share"] > 3 * OPTIONS.text.overlay_above
    # In a still picture nothing stands still before what moves: there the form of the strokes decides.
    still = scored(caption[:1].repeat(COUNT, axis=0))
    assert still["overlay_share"] is None and still["text_share"] > 1.5 * OPTIONS.text.above
    for strength in (0.35, 0.9):
        assert scored(clips.with_logo(base, strength))["overlay_share"] > 1.5 * OPTIONS.text.overlay_above
    fence = base[:1].repeat(12, axis=0)
    fence[:, 50:70] = np.where(np.arange(256) // 3 % 2, 230, 30).astype(np.uint8)[:, None]
    assert scored(fence)["text_share"] < OPTIONS.text.above / 5


def test_hashes_outlive_size_rate_and_compression_and_tell_shots_apart(base, scored):
    def distances(left, right):
        pairs = zip(left["hashes"], right["hashes"], strict=True)
        return sorted(
            (a ^ b).bit_count() if a * b >= 0 else ((a ^ b) & (1 << 64) - 1).bit_count() for a, b in pairs
        )

    slow = clips.pan(1, COUNT, speed=1)
    original = scored(slow)
    again = scored(resized(slow, 432, 244)[np.arange(60) * 4 // 5], fps=30, crf=33)
    assert distances(original, again)[3] <= OPTIONS.duplicate.distance
    assert distances(original, scored(base[::-1]))[0] > 3 * OPTIONS.duplicate.distance
    assert scored(np.full_like(base, 90))["hashes"] == [NO_HASH] * 5


def test_sound(tmp_path):
    seconds, rate = 2.0, clips.RATE
    sine = np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate)) / rate).astype(np.float32)
    waves = {
        "silent": 0 * sine,
        "faint": 1e-4 * sine,
        "loud": 0.97 * sine,
        "clipped": np.clip(3 * sine, -1, 1),
        "one side": np.stack([0 * sine, 0.3 * sine]),
    }
    found = {}
    for name, wave in waves.items():
        stereo = wave if wave.ndim == 2 else np.stack([wave, wave])
        for suffix in (".wav", ".mp4"):
            series = measure_sound(clips.write(tmp_path / f"{name}{suffix}", None, wave=stereo))
            found[name + suffix] = sound_scores(series, 0.1, seconds - 0.1)
    for suffix in (".wav", ".mp4"):
        for quiet in ("silent", "faint"):
            assert found[quiet + suffix]["sound_dbfs"] < OPTIONS.silent.below - 10
            assert found[quiet + suffix]["silence_share"] == 1
        assert found["loud" + suffix]["clipped_share"] < OPTIONS.clipped.above / 5
        assert found["clipped" + suffix]["clipped_share"] > 20 * OPTIONS.clipped.above
        assert found["one side" + suffix]["sound_dbfs"] == pytest.approx(20 * np.log10(0.3 / 2**0.5), abs=0.3)
    half = sound_scores(measure_sound(tmp_path / "loud.wav"), 1.0, 3.0)
    assert half["silence_share"] == pytest.approx(0.5, abs=0.02)  # sound that ends is silence


def test_sound_is_measured_alike_in_any_blocks():
    draw = np.random.default_rng(5)
    wave = draw.normal(0, 0.1, (2, 11_025 * 3 + 77)).astype(np.float32)
    whole = SoundMeasures(11_025)
    whole.take(500, wave)
    parts = SoundMeasures(11_025)
    at = 0
    while at < wave.shape[1]:
        size = int(draw.integers(1, 3000))
        parts.take(500 + at, wave[:, at : at + size])
        at += size
    for name, values in whole.result().items():
        assert np.allclose(values, parts.result()[name], atol=1e-2), name
    level = whole.result()["sound_level"]
    assert level[0] == -120 and level[10] == pytest.approx(-20, abs=1.5)


def test_sound_out_of_step(tmp_path):
    draw = np.random.default_rng(3)
    times = list(np.cumsum(draw.uniform(0.4, 1.1, 8)))
    frames = clips.pan(1, 168, 72, 128, 1)
    for time in times:
        first = int(np.ceil(time * 24))
        frames[first : first + 2] = np.clip(frames[first : first + 2].astype(int) + 90, 0, 255)
    pictures = measured(clips.write(tmp_path / "film.mp4", frames))
    music = 0.1 * np.sin(2 * np.pi * 220 * np.arange(7 * clips.RATE) / clips.RATE).astype(np.float32)
    for shift in (0.0, 0.3, -0.4):
        wave = clips.clicks(times, 7, shift) + music
        sound = measure_sound(clips.write(tmp_path / "sound.mp4", None, wave=wave))
        found = sync_scores(pictures, sound, 2, 4)
        assert found["sound_late_s"] == pytest.approx(shift, abs=0.045)
        assert found["sound_late_sure"] > OPTIONS.out_of_step.confidence
        later = sync_scores(
            pictures, sound, 2, 4, ahead=0.5
        )  # the sound of a file that begins half a second before
        assert later["sound_late_s"] == pytest.approx(shift - 0.5, abs=0.045)
    for seed in range(4):
        other = list(np.cumsum(np.random.default_rng(seed).uniform(0.3, 0.9, 10)))
        unrelated = measure_sound(clips.write(tmp_path / "sound.wav", None, wave=clips.clicks(other, 7)))
        doubtful = sync_scores(pictures, unrelated, 2, 4)
        assert doubtful.get("sound_late_sure", 0) < OPTIONS.out_of_step.confidence


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_pictures_give_scores_or_none(data):
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 70))
    count, rate = data.draw(st.integers(1, 7)), data.draw(st.sampled_from([0.5, 24.0, 240.0]))
    draw = np.random.default_rng(data.draw(st.integers(0, 9)))
    level = data.draw(st.sampled_from([0, 128, 255, None]))
    film = FilmMeasures()
    for number in range(count):
        turned = (width, height) if number == 4 else (height, width)  # a stream may change its size
        noise = draw.integers(0, 256, (*turned, 3), np.uint8)
        film.see(number, number / rate, noise if level is None else np.full_like(noise, level))
    series = film.result()
    first = data.draw(st.integers(0, count - 1))
    found = picture_scores(series, first, data.draw(st.integers(first + 1, count)))
    assert len(found["hashes"]) == 5
    for name, value in found.items():
        if name != "hashes" and value is not None:
            assert np.isfinite(value) and 0 <= value <= (8 if name == "sharpness" else 1), name
    assert sum(values.nbytes for values in series.values()) < 80 * count + 40
