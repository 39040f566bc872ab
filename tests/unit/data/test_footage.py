"""The committed footage is what its code makes, and is what a scene detector and the tiny model need."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from scenedetect import AdaptiveDetector, ContentDetector, detect

from data.make import footage, pairs, shapes
from data.make.shapes import Scene

ROOT = Path(__file__).parents[3]
FOOTAGE = ROOT / "data" / "footage"
PLAN = footage.plan_footage(np.random.default_rng(0))
BY_NAME = {film.stem: (film, shots) for film, shots in PLAN}


def pictures(path: Path) -> np.ndarray:
    with av.open(str(path)) as film:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])


def sound(path: Path) -> np.ndarray:
    with av.open(str(path)) as film:
        return np.concatenate([frame.to_ndarray() for frame in film.decode(audio=0)], axis=1)


@pytest.mark.parametrize("stem", BY_NAME)
def test_detectors_find_exactly_the_cuts(stem: str) -> None:
    _, shots = BY_NAME[stem]
    ends = np.cumsum([shot.frames for shot in shots]).tolist()
    truth = list(zip([0, *ends[:-1]], ends, strict=True))
    detectors = (
        ContentDetector(27.0),
        AdaptiveDetector(),
        AdaptiveDetector(adaptive_threshold=3.5, window_width=3, min_scene_len="0.6s"),
    )
    for detector in detectors:
        found = detect(str(FOOTAGE / f"{stem}.mp4"), detector, start_in_scene=True)
        assert [(start.frame_num, end.frame_num) for start, end in found] == truth


@pytest.mark.parametrize("stem", BY_NAME)
def test_nine_frames_of_a_scene_are_a_clip_as_the_model_knows_it(stem: str) -> None:
    film, shots = BY_NAME[stem]
    frames, start = pictures(FOOTAGE / f"{stem}.mp4"), 0
    left = (film.width - film.height) // 2
    for shot in shots:
        assert 1.4 <= shot.frames / footage.FPS <= 2.0
        assert 8 <= shot.take.radius <= 12 and 2 <= shot.take.speed <= 3.2
        known = shapes.render(shot.take)
        for step in range(9):
            picture = frames[start + 3 * step][:, left : left + film.height]
            small = cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA)
            error = ((small.astype(float) - known[step]) ** 2).mean()
            assert 10 * np.log10(255**2 / error) > 28
        start += shot.frames


def test_the_shape_stays_inside_and_moves_as_said() -> None:
    rng = np.random.default_rng(5)
    for scene in shapes.scenes():
        take = shapes.draw_take(scene, rng)
        places = np.array([shapes.place_at(take, step) for step in range(17)])
        assert (places[:, :2] - places[:, 2:] > 0).all() and (places[:, :2] + places[:, 2:] < 64).all()
        moved = places[8] - places[0]
        direction = (*shapes.DIRECTIONS.get(scene.motion, (0, 0)), int(scene.motion == "grows"))
        assert (np.sign(np.round(moved, 6)) == direction).all()


@pytest.mark.parametrize("stem", ["morning", "evening", "wide"])
def test_the_sound_has_the_scenes_pitch(stem: str) -> None:
    film, shots = BY_NAME[stem]
    wave, start = sound(FOOTAGE / f"{stem}.mp4"), 0.0
    for shot in shots:
        first = round(start * film.rate)
        piece = wave[:, first + 4096 : first + 4096 + film.rate // 4].mean(axis=0)
        spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), film.rate))
        rise = 1 + {"moves up": 0.5, "moves down": -0.33}.get(shot.take.scene.motion, 0) * (
            4096 / film.rate + 0.125
        )
        assert abs(12 * np.log2(spectrum.argmax() / (shot.take.pitch * rise))) < 1
        start += shot.frames / footage.FPS


def test_the_useless_files_are_useless() -> None:
    assert len(pictures(FOOTAGE / "blink.mp4")) == 5
    with pytest.raises(av.error.InvalidDataError):
        av.open(str(FOOTAGE / "broken.mp4"))
    with av.open(str(FOOTAGE / "silent_film.mp4")) as film:
        assert not film.streams.audio


def test_captions_fit_the_models_words() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(ROOT / "data" / "model" / "tokenizer")
    texts = sorted(FOOTAGE.glob("*.txt"))
    assert len(texts) == sum(len(film.captioned) for film, _ in PLAN) == 21
    for path in texts:
        tokens = tokenizer(path.read_text(encoding="utf-8").strip())["input_ids"]
        assert len(tokens) <= 16 and tokenizer.unk_token_id not in tokens
        stem, number, _ = path.name.split(".")
        film, shots = BY_NAME[stem]
        said = shapes.caption(shots[int(number) - 1].take.scene, sound=film.rate > 0)
        assert path.read_text(encoding="utf-8").strip() == said


def test_the_same_seed_makes_the_same_film(tmp_path: Path) -> None:
    film, shots = BY_NAME["silent_film"]
    footage.write_film(tmp_path / "again.mp4", film, shots)
    again, committed = pictures(tmp_path / "again.mp4"), pictures(FOOTAGE / "silent_film.mp4")
    assert np.abs(again.astype(int) - committed).max() <= 8
    assert sum(path.stat().st_size for path in FOOTAGE.iterdir()) < 3_000_000


def test_scenes_are_different_and_neighbours_differ() -> None:
    chosen = footage.choose_scenes(25, np.random.default_rng(3))
    assert len(set(chosen)) == 25
    for one, two in pairwise(chosen):
        assert one.background != two.background and one.colour != two.colour
    assert isinstance(chosen[0], Scene) and {scene.colour for scene in chosen} == set(footage.COLOURS)


def test_pairs_are_many_scenes_whose_captions_tell_neither_motion_nor_sound(tmp_path: Path) -> None:
    pairs.make_pairs(tmp_path, films=3, seed=2)
    films, texts = sorted(tmp_path.glob("*.mp4")), [path.read_text() for path in tmp_path.glob("*.txt")]
    assert len(films) == 3 and len(texts) == 24
    words = {word for text in texts for word in text.split()}
    told = {word for phrase in (*shapes.MOTIONS, *shapes.SOUNDS.values()) for word in phrase.split()}
    assert not words & told and {"background", *shapes.SHAPES} <= words
    assert pictures(films[0]).shape == (8 * 34, 96, 96, 3)
    assert detect(str(films[0]), ContentDetector(27.0))[-1][1].frame_num == 8 * 34
    with pytest.raises(ValueError, match="multiple of 3"):
        pairs.make_pairs(tmp_path, films=4)
