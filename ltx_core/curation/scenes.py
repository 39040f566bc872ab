"""Scenes of a film: exact frame ranges, found in the one pass that decodes it. No file is written.

Design choices
- A film without any cut is one scene.
- Ranges cover the film (but for `skip_start`, `skip_end`, `duration`); what of a scene becomes clips is the
  business of `cutting.windows`, so that other windows cost no decoding.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.cutting.detectors import Detection
from ltx_core.curation.cutting.fades import Light, clear_range
from ltx_core.curation.cutting.scene import Borders, Scene
from ltx_core.curation.cutting.source_pass import Part, aligned, chosen_part, run_pass
from ltx_core.curation.letterbox import BorderWatch, exact_borders, scene_borders
from ltx_core.curation.observe import Observer
from ltx_core.curation.options.scenes import SceneOptions
from ltx_core.media.container import FrameIndex, frame_index
from ltx_core.media.decode import file_info, read_frames
from ltx_core.media.film import WIDTH
from ltx_core.media.treatment import PLAIN, Treatment

LOOKS = 4
"""Whole frames of a scene on which the edge of a border is made exact."""
Series = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class FilmScenes:
    """What the source pass found.

    Attributes:
        scenes: in order.
        times: presentation time of every frame of the film, in seconds `[frames]`.
        series: what the observers measured, and the detectors where the options ask for it; a series of
            frames has one value for each of the film's frames.
    """

    scenes: list[Scene]
    times: NDArray[np.float64]
    series: dict[str, NDArray[Any]] = field(default_factory=dict)


def detect_scenes(path: Path | str, options: SceneOptions, observers: Sequence[Observer] = ()) -> list[Scene]:
    """The scenes of a film in order; see `watch_film`."""
    return watch_film(path, options, observers).scenes


def watch_film(
    path: Path | str,
    options: SceneOptions,
    observers: Sequence[Observer] = (),
    treatment: Treatment | None = PLAIN,
) -> FilmScenes:
    """Decode a film once and find its scenes, while `observers` watch.

    Args:
        path: a film, or an image, which is one scene of one frame.
        options: what is taken for a cut, and which part of the film is looked at.
        observers: measure what they see; their results are part of what is returned.
        treatment: of films that are not plain SDR frames; None: no borders are looked for, as nobody uses
            the pictures, so that a film whose pictures would be refused can give its sound.

    Raises:
        MediaError: when the file cannot be decoded to its end, or the options leave nothing of it.
    """
    path = Path(path)
    index = frame_index(path)
    part = chosen_part(index, options)
    detection = None if options.detector == "none" else Detection(options, index)
    light, borders = Light(), None if treatment is None else BorderWatch()
    views: dict[int, list[Observer]] = {WIDTH: [light, *([] if borders is None else [borders]), *observers]}
    if detection is not None:
        views.setdefault(_detection_width(path, options), []).insert(0, detection)
    seen = run_pass(path, part, views)
    cuts = [] if detection is None else detection.cuts()
    scenes = _ranges(index, part, cuts)
    scenes = _without_fades(scenes, index, seen, light.result(), options)
    if borders is not None and treatment is not None:
        scenes = _with_borders(scenes, seen, borders, lambda found: read_frames(path, found, None, treatment))
    series: dict[str, NDArray[Any]] = {} if detection is None else dict(detection.result())
    for observer in observers:
        series |= aligned(observer.result(), seen, len(index.times))
    return FilmScenes(scenes, np.asarray(index.times), series)


def _detection_width(path: Path, options: SceneOptions) -> int:
    if options.downscale is None:
        return WIDTH
    return max(1, file_info(path).width // options.downscale)


def _ranges(index: FrameIndex, part: Part, cuts: Sequence[int]) -> list[Scene]:
    edges = [part.first, *(cut for cut in cuts if part.first < cut < part.last), part.last]
    scenes = []
    for start, end in itertools.pairwise(edges):
        stop = index.times[end] if end < len(index.times) else index.end
        scenes.append(Scene(start, end, index.times[start], stop, index.times[start:end]))
    return scenes


def _without_fades(
    scenes: Sequence[Scene],
    index: FrameIndex,
    seen: NDArray[np.int64],
    measured: Series,
    options: SceneOptions,
) -> list[Scene]:
    """The scenes with the range that lies clear of fades."""
    film = aligned(measured, seen, len(index.times))
    found = []
    for scene in scenes:
        inside = slice(scene.start_frame, scene.end_frame)
        first, last = clear_range(
            film["light"][inside], film["peak"][inside], scene.frame_times(), options.fade_threshold
        )
        if (first, last) != (0, scene.end_frame - scene.start_frame):
            scene = replace(scene, clear_start=scene.start_frame + first, clear_end=scene.start_frame + last)
        found.append(scene)
    return found


def _with_borders(
    scenes: Sequence[Scene],
    seen: NDArray[np.int64],
    watch: BorderWatch,
    read: Callable[[list[int]], NDArray[np.uint8]],
) -> list[Scene]:
    """The scenes with the borders around their picture; `read` gives whole frames."""
    (rows,) = watch.result().values()
    places = []
    for scene in scenes:
        first = scene.start_frame if scene.clear_start is None else scene.clear_start
        last = scene.end_frame if scene.clear_end is None else scene.clear_end
        places.append((int(np.searchsorted(seen, first)), int(np.searchsorted(seen, last))))
    known: dict[Borders, Borders | None] = {Borders(): None}
    found = []
    for scene, place, small in zip(scenes, places, scene_borders(rows, watch.size, places), strict=True):
        if small not in known:
            inside = seen[slice(*place)]
            chosen = np.unique(np.linspace(0, len(inside) - 1, LOOKS + 2).round().astype(int)[1:-1])
            known[small] = exact_borders(small, watch.size, read([int(n) for n in inside[chosen]]))
        found.append(replace(scene, borders=known[small]))
    return found
