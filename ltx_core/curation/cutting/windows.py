"""The windows that clips are cut from scenes. Cuts are virtual: exact frame ranges.

Design choices
- A window never leaves its scene, begins with a frame, and ends where its duration does.
- By default windows follow each other, the longest that fits first, and a rest that is shorter than every
  length is part of no window; a scene that gives no window at all is set aside with the reason.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ltx_core.curation.buckets import TIME_TOLERANCE
from ltx_core.curation.cutting.scene import Borders, Scene
from ltx_core.curation.options.scenes import SceneOptions, parse_length

Range = tuple[float, float, int, int]
"""Start and end in seconds, first frame and one past the last."""
DEFAULTS = SceneOptions()


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
    borders: Borders | None = None


@dataclass(frozen=True)
class _Lengths:
    """What windows are cut to.

    Attributes:
        durations: seconds, the longest first.
        still: whether the shortest is a single frame, which is taken only where no longer one fits, once.
        shortage: says of a scene that none of them fits.
    """

    durations: tuple[float, ...]
    still: bool
    shortage: Callable[[Scene], str]


def cut_windows(
    scenes: Sequence[Scene], fps: float, frame_counts: Sequence[int], options: SceneOptions = DEFAULTS
) -> list[Cut]:
    """Windows of `frame_counts` frames at `fps`.

    A stretch of d seconds holds floor(d * fps) frames. Windows of one frame are taken only from scenes that
    hold no longer one, once each.

    Raises:
        ValueError: without any count.
    """
    if not frame_counts:
        raise ValueError("no frame counts to cut windows of; give at least one bucket")
    counts = sorted(set(frame_counts), reverse=True)

    def shortage(scene: Scene) -> str:
        return f"{held_frames(scene.duration, fps)} < {counts[-1]} frames"

    durations = tuple(count / fps for count in counts)
    return _cut(scenes, _Lengths(durations, counts[-1] == 1, shortage), options)


def cut_durations(
    scenes: Sequence[Scene], durations: Sequence[float], options: SceneOptions = DEFAULTS
) -> list[Cut]:
    """Windows of `durations` seconds, as `cut_windows` cuts them.

    Raises:
        ValueError: without any duration.
    """
    if not durations:
        raise ValueError("no durations to cut windows of; give at least one")
    lengths = tuple(sorted(set(durations), reverse=True))

    def shortage(scene: Scene) -> str:
        return f"{scene.duration:.3f} < {lengths[-1]:g} s"

    return _cut(scenes, _Lengths(lengths, False, shortage), options)


def cut_sound(
    start: float, end: float, rate: int, durations: Sequence[float], options: SceneOptions = DEFAULTS
) -> list[Cut]:
    """Windows of `durations` seconds of a sound from `start` to `end` seconds, the longest first.

    Their range is counted in samples at `rate` per second from time 0 on.

    Raises:
        ValueError: without any duration.
    """
    if not durations:
        raise ValueError("no durations to cut windows of; give at least one")
    lengths = sorted(set(durations), reverse=True)
    ranges: list[Range] = []
    for wanted in _passes(lengths, options):
        for at, duration in _sound_windows(start, end, wanted, options):
            until = at + duration
            ranges.append((at, until, round(at * rate), round(until * rate)))
    ranges.sort(key=_order)
    cuts = [Cut(number, *found) for number, found in enumerate(ranges, 1)]
    if not cuts:
        reason = f"shorter than every bucket: {end - start:.3f} < {lengths[-1]:g} s"
        cuts.append(Cut(1, start, end, round(start * rate), round(end * rate), "rejected", reason))
    return cuts


def held_frames(seconds: float, fps: float) -> int:
    """Frames at `fps` that a stretch of `seconds` holds; 1.125 s hold 9 frames at 8 fps."""
    return math.floor(seconds * fps + TIME_TOLERANCE)


def scene_parts(scenes: Sequence[Scene], options: SceneOptions) -> list[tuple[Scene, str]]:
    """What of each scene clips are cut from, each with the reason why none is, or "".

    Fades and what lies beside cuts are left out, long scenes are divided into equal parts.
    """
    found: list[tuple[Scene, str]] = []
    used = 0
    for number, scene in enumerate(scenes):
        if _shorter(scene, options.drop_shorter):
            held = f"{scene.end_frame - scene.start_frame} frames, {scene.duration:.3f} s"
            found.append((scene, f"scene shorter than scenes.drop_shorter: {held} < {options.drop_shorter}"))
            continue
        used += 1
        if options.max_scenes is not None and used > options.max_scenes:
            found.append((scene, f"beyond scenes.max_scenes: {used} > {options.max_scenes}"))
            continue
        ends = number > 0, number + 1 < len(scenes)
        found += [
            (part, "") for part in _divided(_trimmed(_clear(scene, options), options.trim, ends), options)
        ]
    return found


def _shorter(scene: Scene, length: float | str) -> bool:
    least = parse_length(length)
    if isinstance(least, int):
        return scene.end_frame - scene.start_frame < least
    return scene.duration < least - TIME_TOLERANCE


def _clear(scene: Scene, options: SceneOptions) -> Scene:
    if not options.trim_fades or scene.clear_start is None or scene.clear_end is None:
        return scene
    return scene.part(scene.clear_start, scene.clear_end)


def _trimmed(scene: Scene, trim: float, cut: tuple[bool, bool]) -> Scene:
    """The scene without `trim` seconds beside a cut (not at the film's ends); at least one frame."""
    first, last = scene.start_frame, scene.end_frame
    if trim and cut[0]:
        first = scene.frame_at(scene.start_s + trim)
    if trim and cut[1]:
        last = scene.frame_at(scene.end_s - trim)
    if (first, last) == (scene.start_frame, scene.end_frame):
        return scene
    return scene.part(first, last) if first < last else scene.part(scene.start_frame, scene.start_frame + 1)


def _divided(scene: Scene, options: SceneOptions) -> Iterator[Scene]:
    """The scene, or equal parts of at most `max_length` seconds."""
    if options.max_length is None or scene.duration <= options.max_length + TIME_TOLERANCE:
        yield scene
        return
    parts = math.ceil(scene.duration / options.max_length - TIME_TOLERANCE)
    edges = [scene.frame_at(scene.start_s + scene.duration * part / parts) for part in range(parts)]
    for first, last in zip(edges, [*edges[1:], scene.end_frame], strict=True):
        if first < last:
            yield scene.part(first, last)


def _cut(scenes: Sequence[Scene], lengths: _Lengths, options: SceneOptions) -> list[Cut]:
    cuts: list[Cut] = []
    for part, useless in scene_parts(scenes, options):
        ranges = [] if useless else _scene_windows(part, lengths, options)
        for found in ranges:
            cuts.append(Cut(len(cuts) + 1, *found, borders=part.borders))
        if not ranges:
            reason = useless or f"shorter than every bucket: {lengths.shortage(part)}"
            whole = part.start_s, part.end_s, part.start_frame, part.end_frame
            cuts.append(Cut(len(cuts) + 1, *whole, "rejected", reason, part.borders))
    return cuts


def _scene_windows(scene: Scene, lengths: _Lengths, options: SceneOptions) -> list[Range]:
    """Windows of a scene in order of time, none when it is too short."""
    fitting = [length for length in lengths.durations if length <= scene.duration + TIME_TOLERANCE]
    if not fitting:
        return []
    if lengths.still and len(fitting) > 1:
        fitting = [length for length in fitting if length != lengths.durations[-1]]
    elif lengths.still and fitting == [lengths.durations[-1]]:
        return _placed(scene, [_middle(scene, fitting[0])] if options.take == "middle" else [0.0], fitting[0])
    found: list[Range] = []
    for wanted in _passes(fitting, options):
        found += _film_windows(scene, wanted, options)
    return sorted({window[2:]: window for window in found}.values(), key=_order)


def _passes(lengths: Sequence[float], options: SceneOptions) -> list[list[float]]:
    """The lengths that share a scene: all of them, or each has it for itself."""
    return [[length] for length in lengths] if options.lengths == "all" else [list(lengths)]


def _order(found: Range) -> tuple[int, int]:
    return found[2], -found[3]


def _film_windows(scene: Scene, lengths: Sequence[float], options: SceneOptions) -> list[Range]:
    if options.take == "all" and options.stride is None:
        return _consecutive(scene, lengths)
    return _placed(scene, _offsets(scene.duration, lengths[0], options), lengths[0])


def _consecutive(scene: Scene, lengths: Sequence[float]) -> list[Range]:
    """Windows that follow each other, the longest that fits first."""
    times = scene.frame_times()
    found: list[Range] = []
    first = 0
    while first < len(times):
        start = times[first]
        length = next((one for one in lengths if one <= scene.end_s - start + TIME_TOLERANCE), None)
        if length is None:
            break
        last = max(first + 1, bisect_left(times, start + length - TIME_TOLERANCE))
        found.append((start, start + length, scene.start_frame + first, scene.start_frame + last))
        first = last
    return found


def _offsets(duration: float, length: float, options: SceneOptions) -> list[float]:
    """Where windows of `length` seconds begin in a stretch of `duration` seconds that holds one or more."""
    room = max(0.0, duration - length)
    if options.stride is not None:
        return [number * options.stride for number in range(int(room / options.stride + TIME_TOLERANCE) + 1)]
    if options.take == "first":
        return [0.0]
    if options.take == "middle" or options.take == 1:
        return [room / 2]
    count = min(int(options.take), math.floor(duration / length + TIME_TOLERANCE))
    return [room * number / (count - 1) for number in range(count)] if count > 1 else [room / 2]


def _middle(scene: Scene, length: float) -> float:
    return max(0.0, scene.duration - length) / 2


def _placed(scene: Scene, offsets: Sequence[float], length: float) -> list[Range]:
    """Windows at offsets in seconds, moved back to the beginning of a frame."""
    times = scene.frame_times()
    found: list[Range] = []
    for offset in offsets:
        first = max(0, bisect_right(times, scene.start_s + offset + TIME_TOLERANCE) - 1)
        start = times[first]
        last = max(first + 1, bisect_left(times, start + length - TIME_TOLERANCE))
        window = (start, start + length, scene.start_frame + first, scene.start_frame + last)
        if not found or window[2] > found[-1][2]:
            found.append(window)
    return found


def _sound_windows(
    start: float, end: float, lengths: Sequence[float], options: SceneOptions
) -> Iterator[tuple[float, float]]:
    """Start and duration of the windows of a sound."""
    fitting = [length for length in lengths if length <= end - start + TIME_TOLERANCE]
    if not fitting:
        return
    if options.take != "all" or options.stride is not None:
        for offset in _offsets(end - start, fitting[0], options):
            yield start + offset, fitting[0]
        return
    at = start
    while (length := next((one for one in fitting if one <= end - at + TIME_TOLERANCE), None)) is not None:
        yield at, length
        at += length
