"""Masks and references of a film with black borders: cut like its frames, whatever part of it they show."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from picture_files import pipeline, prepare, write_table

from ltx_core.media.decode import read_frames
from ltx_core.media.write import write_video
from ltx_core.stages.clips import all_clips
from ltx_core.stages.given import given_key

WIDTH, HEIGHT, BORDER = 160, 128, 24
INSIDE = slice(BORDER, HEIGHT - BORDER)


def boxed(seed):
    """Frames of noise that wanders, with black borders above and below."""
    noise = np.random.default_rng(seed).normal(0, 1, (HEIGHT, WIDTH + 40, 3))
    noise = cv2.GaussianBlur(noise, (0, 0), 4)
    picture = np.clip(130 + 40 * noise / noise.std(), 0, 255).astype(np.uint8)
    frames = np.stack([picture[:, n : n + WIDTH] for n in range(40)])
    frames[:, :BORDER] = frames[:, HEIGHT - BORDER :] = 0
    return frames


def large(frames, times):
    """The same, larger: more than what is decoded for a small bucket."""
    return frames.repeat(times, axis=1).repeat(times, axis=2)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Three films, with files of the whole frame, of its inner part, and of a larger whole frame."""
    folder = tmp_path_factory.mktemp("boxed")
    rows = []
    for seed, name in enumerate(("whole", "inner", "large")):
        frames = boxed(seed)
        write_video(folder / f"{name}.mp4", frames, 30, crf=10)
        mask = np.zeros_like(frames)
        mask[:, : BORDER + (HEIGHT - 2 * BORDER) // 4] = 255  # the first quarter of what is used
        given = {"negative": 255 - frames, "mask": mask}
        for kind, pictures in given.items():
            shown = {"whole": pictures, "inner": pictures[:, INSIDE]}.get(name, large(pictures, 4))
            write_video(folder / f"{name}-{kind}.mp4", shown, 30, crf=10)
        beside = {"reference_video": f"{name}-negative.mp4", "video_mask": f"{name}-mask.mp4"}
        rows.append({"video": f"{name}.mp4", "caption": "noise", **beside})
    return write_table(folder, rows)


@pytest.mark.parametrize("letterbox", ["crop", "keep"])
def test_files_of_the_whole_frame_lose_its_borders_where_the_film_does(films, tmp_path, letterbox):
    mode = "{type: reference}, {type: mask, mask_dir: video_masks}"
    options = ("dataset.buckets=[64x64x9]", f"dataset.scenes={{letterbox: {letterbox}, min_length: 0.3}}")
    pipe = pipeline(tmp_path / "ws", films, mode, *options)
    for stage in ("references", "masks"):
        prepare(pipe, stage)
    context = pipe.context
    clips = {clip.path.stem: clip for clip in all_clips(context)}
    assert {clip.crop is None for clip in clips.values()} == {letterbox == "keep"} and len(clips) == 3
    keys = {name: given_key(clip, "video_mask")[2:] for name, clip in clips.items()}
    said = ["cropped"] if letterbox == "crop" else []
    assert keys == {"whole": said, "inner": [], "large": said}
    for name in ("whole", "large") if letterbox == "keep" else ("whole", "inner", "large"):
        clip = clips[name]
        row = context.by_clip("references")[clip.clip_id]
        shown = read_frames(context.store.file(row, "reference.mp4"), list(range(9)))
        # Codecs and sizes make up to 6.5 of it; borders that are left in one of the two make 40 and more.
        assert np.abs(shown.astype(int) - (255 - context.models.frames(clip).astype(int))).mean() < 10
        kept = context.by_clip("masks")[clip.clip_id].columns["kept"]
        # A quarter of the 80 rows within the borders, or 44 of all 128; borders are found a few rows off.
        assert kept == pytest.approx(0.25 if letterbox == "crop" else 44 / 128, abs=0.06)
