"""Scenes are found to the frame, and windows never leave them."""

import itertools
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltx_core.curation.cutting.scene import Scene
from ltx_core.curation.cutting.windows import Cut, cut_windows, held_frames, scene_parts
from ltx_core.curation.options.scenes import SceneOptions
from ltx_core.curation.scenes import detect_scenes
from ltx_core.media.errors import MediaError
from ltx_core.media.write import write_video


def film(lengths, height=96, width=128, fade=()):
    """Scenes of moving textures; the numbers in `fade` end and begin in black."""
    scenes = []
    for number, length in enumerate(lengths):
        rng = np.random.default_rng(number)
        tint = rng.integers(40, 215, 3)
        noise = cv2.GaussianBlur(rng.normal(0, 120, (height, width + 2 * length)), (0, 0), 4)
        texture = np.clip(tint + noise[..., None], 0, 255).astype(np.uint8)
        frames = np.stack([texture[:, 2 * i : 2 * i + width] for i in range(length)])
        if number in fade:
            light = np.minimum(np.arange(length), np.arange(length)[::-1]).clip(0, 24) / 24
            frames = (frames * light[:, None, None, None]).astype(np.uint8)
        scenes.append(frames)
    return np.concatenate(scenes)


def ranges(scenes):
    return [(scene.start_frame, scene.end_frame) for scene in scenes]


def test_hard_cuts_are_found_to_the_frame(tmp_path):
    path = tmp_path / "film.mp4"
    write_video(path, film([40, 31, 55, 28]), 24)
    scenes = detect_scenes(path, SceneOptions())
    assert ranges(scenes) == [(0, 40), (40, 71), (71, 126), (126, 154)]
    assert scenes[1].start_s == pytest.approx(40 / 24)
    assert scenes[-1].end_s == pytest.approx(154 / 24)
    trimmed = [part for part, _ in scene_parts(scenes, SceneOptions(trim=0.1))]
    assert ranges(trimmed) == [(0, 38), (43, 69), (74, 124), (129, 154)]


@pytest.mark.parametrize("detector", ["content", "hash"])
def test_other_detectors_find_the_same_cuts(tmp_path, detector):
    path = tmp_path / "film.mp4"
    write_video(path, film([40, 31, 55]), 24)
    assert ranges(detect_scenes(path, SceneOptions(detector=detector))) == [(0, 40), (40, 71), (71, 126)]


def test_one_shot_is_one_scene_and_long_ones_are_divided(tmp_path):
    path = tmp_path / "shot.mp4"
    write_video(path, film([60]), 20)
    assert ranges(detect_scenes(path, SceneOptions())) == [(0, 60)]
    assert ranges(detect_scenes(path, SceneOptions(detector="none"))) == [(0, 60)]
    scenes = detect_scenes(path, SceneOptions())
    parts = [part for part, _ in scene_parts(scenes, SceneOptions(max_length=1.3))]
    assert ranges(parts) == [(0, 20), (20, 40), (40, 60)]


def test_a_fade_through_black_is_found_in_the_same_pass(tmp_path):
    path = tmp_path / "fade.mp4"
    write_video(path, film([50, 50], fade=(0, 1)), 25)
    scenes = detect_scenes(path, SceneOptions())
    assert len(scenes) == 2
    assert 45 <= scenes[1].start_frame <= 55
    deaf = SceneOptions(min_content=255)
    assert len(detect_scenes(path, deaf)) == 2
    assert len(detect_scenes(path, replace(deaf, fades=False))) == 1


def test_variable_frame_rate_gives_the_right_times(tmp_path):
    path = tmp_path / "variable.mp4"
    frames = film([30, 30])
    pts = np.cumsum([0] + [40, 20, 100] * 20).tolist()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.height, stream.width = frames.shape[1:3]
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = pts[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    scenes = detect_scenes(path, SceneOptions())
    assert ranges(scenes) == [(0, 30), (30, 60)]
    assert scenes[1].start_s == pytest.approx(pts[30] / 1000, abs=2e-3)
    (first, second) = cut_windows(scenes, 10, [15])
    assert second.start_frame == 30
    inside = [number for number in range(30, 60) if pts[number] < pts[30] + 1500]
    assert (second.start_frame, second.end_frame) == (30, inside[-1] + 1)
    assert first.end_frame <= 30


def test_a_damaged_film_is_an_error(tmp_path):
    path = tmp_path / "damaged.mp4"
    write_video(path, np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), np.uint8), 30, lossless=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : -100] = bytes(len(data) - 100 - len(data) // 3)
    path.write_bytes(data)
    with pytest.raises(MediaError, match="unreadable: "):
        detect_scenes(path, SceneOptions())


def test_windows_are_consecutive_and_the_longest_that_fit():
    scenes = [Scene(0, 72, 0.0, 3.0), Scene(72, 99, 3.0, 4.125), Scene(99, 104, 4.125, 104 / 24)]
    assert held_frames(27 / 24, 8) == 9
    cuts = cut_windows(scenes, 8, [9])
    assert cuts[:3] == [
        Cut(1, 0.0, 1.125, 0, 27),
        Cut(2, 1.125, 2.25, 27, 54),
        Cut(3, 3.0, 4.125, 72, 99),
    ]
    assert (cuts[3].index, cuts[3].status, cuts[3].reason) == (
        4,
        "rejected",
        "shorter than every bucket: 1 < 9 frames",
    )
    assert [(c.start_frame, c.end_frame) for c in cut_windows(scenes[:1], 8, [5, 17])] == [(0, 51), (51, 66)]
    assert [(c.start_frame, c.end_frame) for c in cut_windows(scenes[:2], 8, [1, 17])] == [(0, 51), (72, 75)]
    with pytest.raises(ValueError, match="at least one bucket"):
        cut_windows(scenes, 8, [])


@settings(max_examples=200, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 200), min_size=1, max_size=5),
    source_fps=st.sampled_from([12.0, 23.976, 24.0, 30.0, 59.94]),
    fps=st.sampled_from([8.0, 12.0, 24.0, 25.0]),
    counts=st.lists(st.sampled_from([1, 5, 9, 17, 25, 49]), min_size=1, max_size=3),
)
def test_windows_never_overlap_nor_leave_their_scene(lengths, source_fps, fps, counts):
    edges = np.concatenate([[0], np.cumsum(lengths)])
    scenes = [Scene(int(a), int(b), a / source_fps, b / source_fps) for a, b in itertools.pairwise(edges)]
    cuts = cut_windows(scenes, fps, counts)
    assert [cut.index for cut in cuts] == list(range(1, len(cuts) + 1))
    last_frame, last_time = 0, 0.0
    for cut in cuts:
        scene = next(scene for scene in scenes if scene.start_frame <= cut.start_frame < scene.end_frame)
        assert last_frame <= cut.start_frame < cut.end_frame <= scene.end_frame
        assert last_time - 1e-5 <= cut.start_s < cut.end_s <= scene.end_s + 1e-5
        last_frame, last_time = cut.end_frame, cut.end_s
        held = held_frames(cut.end_s - cut.start_s, fps)
        assert held in counts if cut.status == "ok" else held < min(counts)
    for scene in scenes:
        assert any(scene.start_frame == cut.start_frame for cut in cuts)
