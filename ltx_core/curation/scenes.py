"""Scenes of a film, and the windows that clips are cut from them. Cuts are virtual: exact frame ranges.

Design choices
- PySceneDetect's detectors are fed with frames that are decoded here, so that frame numbers are those of
  `media`, damage is noticed, and every codec works. Several detectors run in one pass.
- A film without any cut is one scene.
- Detectors count frames; lengths and windows are measured in presentation times.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ltx_core.curation.buckets import TIME_TOLERANCE, choose_duration
from ltx_core.curation.options.scenes import DEFAULT_THRESHOLDS, SceneOptions
from ltx_core.media.container import (
    COMPLETE_SHARE,
    SCALING_THREADS,
    FrameIndex,
    frame_index,
    open_media,
    video_stream,
)
from ltx_core.media.errors import MediaError

DETECTION_WIDTH = 256
"""Frames are reduced to this width for the detectors (PySceneDetect's own default)."""


@dataclass(frozen=True)
class Scene:
    """The frames `start_frame` to `end_frame` (end exclusive) of a file, and their times in seconds.

    `times` are the presentation times of its frames; empty: evenly spread.
    """

    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    times: tuple[float, ...] = field(default=(), repr=False)

    @property
    def duration(self) -> float:
        """Seconds from the start of the first to the end of the last frame."""
        return self.end_s - self.start_s

    def frame_times(self) -> Sequence[float]:
        """Presentation time of each frame."""
        if self.times:
            return self.times
        count = self.end_frame - self.start_frame
        return [self.start_s + self.duration * number / count for number in range(count)]


@dataclass(frozen=True)
class Cut:
    """A window of a scene, or a scene that is no use: `index` counts from 1 within the source."""

    index: int
    start_s: float
    end_s: float
    start_frame: int
    end_frame: int
    status: Literal["ok", "rejected"] = "ok"
    reason: str = ""


def detect_scenes(path: Path | str, options: SceneOptions) -> list[Scene]:
    """The scenes of a film in order; together they cover it, but for what `trim` leaves out.

    Raises:
        MediaError: when the file cannot be decoded to its end.
    """
    index = frame_index(path)
    cuts = [] if options.detector == "none" else _find_cuts(Path(path), index, options)
    edges = [0, *cuts, len(index.times)]
    scenes: list[Scene] = []
    for start, end in itertools.pairwise(edges):
        start, end = _trim(index, start, end, options.trim)
        scenes += _divide(index, start, end, options.max_length)
    return scenes


def cut_windows(scenes: Sequence[Scene], fps: float, frame_counts: Sequence[int]) -> list[Cut]:
    """Consecutive windows of `frame_counts` frames at `fps`, the longest that fits first.

    A stretch of d seconds holds floor(d * fps) frames. A rest that is shorter than every count is part of no
    window; a scene that is shorter is rejected. Windows of one frame are taken only from scenes that hold
    no longer one, once each.

    Raises:
        ValueError: without any count.
    """
    if not frame_counts:
        raise ValueError("no frame counts to cut windows of; give at least one bucket")
    counts = sorted(set(frame_counts), reverse=True)
    cuts: list[Cut] = []
    for scene in scenes:
        found = _scene_cuts(scene, [count / fps for count in counts], once=counts[-1] == 1)
        if found:
            cuts += [Cut(len(cuts) + number, *cut) for number, cut in enumerate(found, 1)]
        else:
            held = held_frames(scene.duration, fps)
            cuts.append(_too_short(len(cuts) + 1, scene, f"{held} < {counts[-1]} frames"))
    return cuts


def cut_durations(scenes: Sequence[Scene], durations: Sequence[float]) -> list[Cut]:
    """Consecutive windows of `durations` seconds, as `cut_windows` cuts them.

    Raises:
        ValueError: without any duration.
    """
    if not durations:
        raise ValueError("no durations to cut windows of; give at least one")
    lengths = sorted(set(durations), reverse=True)
    cuts: list[Cut] = []
    for scene in scenes:
        found = _scene_cuts(scene, lengths)
        cuts += [Cut(len(cuts) + number, *cut) for number, cut in enumerate(found, 1)]
        if not found:
            cuts.append(_too_short(len(cuts) + 1, scene, f"{scene.duration:.3f} < {lengths[-1]:g} s"))
    return cuts


def cut_sound(start: float, end: float, rate: int, durations: Sequence[float]) -> list[Cut]:
    """Consecutive windows of `durations` seconds of a sound from `start` to `end` seconds, the longest first.

    Their range is counted in samples at `rate` per second from time 0 on.

    Raises:
        ValueError: without any duration.
    """
    if not durations:
        raise ValueError("no durations to cut windows of; give at least one")
    cuts: list[Cut] = []
    at = start
    while (bucket := choose_duration(end - at, durations)) is not None:
        until = at + bucket.duration
        cuts.append(Cut(len(cuts) + 1, at, until, round(at * rate), round(until * rate)))
        at = until
    if not cuts:
        whole = Scene(round(start * rate), round(end * rate), start, end)
        cuts.append(_too_short(1, whole, f"{end - start:.3f} < {min(durations):g} s"))
    return cuts


def held_frames(seconds: float, fps: float) -> int:
    """Frames at `fps` that a stretch of `seconds` holds; 1.125 s hold 9 frames at 8 fps."""
    return math.floor(seconds * fps + TIME_TOLERANCE)


def _too_short(index: int, scene: Scene, comparison: str) -> Cut:
    reason = f"shorter than every bucket: {comparison}"
    span = scene.start_s, scene.end_s, scene.start_frame, scene.end_frame
    return Cut(index, *span, "rejected", reason)


def _scene_cuts(
    scene: Scene, durations: Sequence[float], once: bool = False
) -> list[tuple[float, float, int, int]]:
    """Windows of a scene, none when it is too short.

    Args:
        scene: where they are cut from.
        durations: in seconds, the longest first.
        once: whether the shortest is taken only where no longer one fits.
    """
    times = scene.frame_times()
    cuts: list[tuple[float, float, int, int]] = []
    first = 0
    while first < len(times):
        start = times[first]
        duration = next((d for d in durations if d <= scene.end_s - start + TIME_TOLERANCE), None)
        if duration is None or (once and duration == durations[-1] and first > 0):
            return cuts
        end = start + duration
        last = max(first + 1, bisect_left(times, end - TIME_TOLERANCE))
        cuts.append((start, end, scene.start_frame + first, scene.start_frame + last))
        first = last
    return cuts


def _find_cuts(path: Path, index: FrameIndex, options: SceneOptions) -> list[int]:
    """Frame numbers at which a new scene begins."""
    from scenedetect import FrameTimecode

    rate = len(index.times) / max(index.end - index.times[0], TIME_TOLERANCE)
    detectors = _detectors(options)
    found: list[list[int]] = [[] for _ in detectors]
    seen, last = 0, FrameTimecode(0, rate)
    for number, image in _small_frames(path, index):
        seen, last = seen + 1, FrameTimecode(number, rate)
        for cuts, detector in zip(found, detectors, strict=True):
            cuts += [cut.frame_num for cut in detector.process_frame(last, image)]
    if seen < COMPLETE_SHARE * len(index.times):
        raise MediaError(f"unreadable: {seen} of {len(index.times)} frames can be decoded", path)
    for cuts, detector in zip(found, detectors, strict=True):
        cuts += [cut.frame_num for cut in detector.post_process(last)]
    return _joined(found, index, options.min_length)


def _joined(found: list[list[int]], index: FrameIndex, min_length: float) -> list[int]:
    """All cuts of the first detector, and those of the others that are not the same change again."""
    kept = {cut for cut in found[0] if 0 < cut < len(index.times)}
    for cuts in found[1:]:
        for cut in cuts:
            near = any(abs(index.times[cut] - index.times[other]) < min_length for other in kept)
            if 0 < cut < len(index.times) and not near:
                kept.add(cut)
    return sorted(kept)


def _detectors(options: SceneOptions) -> list[Any]:
    import scenedetect

    threshold = options.threshold or DEFAULT_THRESHOLDS[options.detector]
    length = float(options.min_length)
    classes = {
        "content": scenedetect.ContentDetector,
        "threshold": scenedetect.ThresholdDetector,
        "histogram": scenedetect.HistogramDetector,
        "hash": scenedetect.HashDetector,
    }
    detectors: list[Any]
    if options.detector == "adaptive":
        detectors = [
            scenedetect.AdaptiveDetector(
                adaptive_threshold=threshold,
                min_scene_len=length,
                window_width=options.window,
                min_content_val=options.min_content,
            )
        ]
    else:
        detectors = [classes[options.detector](threshold=threshold, min_scene_len=length)]
    if options.fades and options.detector != "threshold":
        dark = DEFAULT_THRESHOLDS["threshold"]
        detectors.append(scenedetect.ThresholdDetector(threshold=dark, min_scene_len=length))
    return detectors


def _small_frames(path: Path, index: FrameIndex) -> Iterator[tuple[int, Any]]:
    """Every frame's number and its picture `[h, w, 3]`, BGR, at most `DETECTION_WIDTH` wide."""
    numbers = {pts: number for number, pts in enumerate(index.pts)} if index.seekable else None
    with open_media(path) as container:
        stream = video_stream(container)
        for count, frame in enumerate(container.decode(stream)):
            number = count if numbers is None else numbers.get(frame.pts)
            if number is None:
                continue
            scale = min(1.0, DETECTION_WIDTH / frame.width)
            width, height = round(frame.width * scale), max(1, round(frame.height * scale))
            small = frame.reformat(
                width=width, height=height, format="bgr24", interpolation="AREA", threads=SCALING_THREADS
            )
            yield number, small.to_ndarray()


def _trim(index: FrameIndex, start: int, end: int, trim: float) -> tuple[int, int]:
    """The frame range without `trim` seconds beside a cut (not at the file's ends); at least one frame."""
    first, last = start, end
    if start > 0:
        first = bisect_left(index.times, index.times[start] + trim - TIME_TOLERANCE)
    if end < len(index.times):
        last = bisect_left(index.times, index.times[end] - trim - TIME_TOLERANCE)
    return (first, last) if first < last else (start, start + 1)


def _divide(index: FrameIndex, start: int, end: int, max_length: float | None) -> list[Scene]:
    """The range as one scene, or as equal parts of at most `max_length` seconds."""
    whole = _scene(index, start, end)
    parts = 1 if max_length is None else math.ceil(whole.duration / max_length - TIME_TOLERANCE)
    edges = [
        bisect_left(index.times, whole.start_s + whole.duration * part / parts - TIME_TOLERANCE, start, end)
        for part in range(parts)
    ]
    pairs = zip(edges, [*edges[1:], end], strict=True)
    return [_scene(index, first, last) for first, last in pairs if first < last]


def _scene(index: FrameIndex, start: int, end: int) -> Scene:
    stop = index.times[end] if end < len(index.times) else index.end
    return Scene(start, end, index.times[start], stop, index.times[start:end])
