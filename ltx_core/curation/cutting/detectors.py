"""PySceneDetect's detectors as observers of the source pass.

Design choices
- They are fed with frames that are decoded here, so that frame numbers are those of `media`, damage is
  noticed, and every codec works. Several detectors run in one pass.
- Detectors count frames at the film's mean rate; windows are measured in presentation times.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.buckets import TIME_TOLERANCE
from ltx_core.curation.options.scenes import DEFAULT_THRESHOLDS, SceneOptions, parse_length
from ltx_core.media.container import FrameIndex


class Detection:
    """Watches a film with all detectors that the options name."""

    def __init__(self, options: SceneOptions, index: FrameIndex) -> None:
        self._options, self._index = options, index
        self._rate = len(index.times) / max(index.end - index.times[0], TIME_TOLERANCE)
        self._detectors = _detectors(options)
        self._found: list[list[int]] = [[] for _ in self._detectors]
        self._count = 0
        self._last: Any = None
        self._numbers: list[int] = []

    def see(self, number: int, time: float, frame: NDArray[np.uint8]) -> None:
        """Take a frame `[h, w, 3]`, RGB; every `frame_skip` + 1st is looked at."""
        del time
        self._count += 1
        if (self._count - 1) % (self._options.frame_skip + 1):
            return
        import cv2
        from scenedetect import FrameTimecode

        self._last = FrameTimecode(number, self._rate)
        if self._options.stats:
            self._numbers.append(number)
        image = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
        for cuts, (_, detector) in zip(self._found, self._detectors, strict=True):
            cuts += [cut.frame_num for cut in detector.process_frame(self._last, image)]

    def cuts(self) -> list[int]:
        """Numbers of the frames at which a new scene begins, after the last frame was seen.

        All of the first detector, and those of the others that are not the same change again.
        """
        if self._last is not None:
            for cuts, (_, detector) in zip(self._found, self._detectors, strict=True):
                cuts += [cut.frame_num for cut in detector.post_process(self._last)]
        self._last = None
        kept = {cut for cut in self._found[0] if 0 < cut < len(self._index.times)}
        for cuts in self._found[1:]:
            for cut in cuts:
                if 0 < cut < len(self._index.times) and not any(self._near(cut, other) for other in kept):
                    kept.add(cut)
        return sorted(kept)

    def _near(self, cut: int, other: int) -> bool:
        least, times = parse_length(self._options.min_length), self._index.times
        distance = abs(cut - other) if isinstance(least, int) else abs(times[cut] - times[other])
        return distance < least

    def result(self) -> Mapping[str, NDArray[Any]]:
        """With `stats`: what each detector measured of each frame that it saw, and these frames' numbers."""
        if not self._options.stats:
            return {}
        found: dict[str, NDArray[Any]] = {"stats.frame": np.asarray(self._numbers, np.int64)}
        for name, detector in self._detectors:
            for key in detector.get_metrics():
                values = [self._measured(detector, number, key) for number in self._numbers]
                found[f"stats.{name}.{key.split(' ')[0]}"] = np.asarray(values, np.float32)
        return found

    def _measured(self, detector: Any, number: int, key: str) -> float:
        from scenedetect import FrameTimecode

        (value,) = detector.stats_manager.get_metrics(FrameTimecode(number, self._rate), [key])
        return float("nan") if value is None else float(value)


def _detectors(options: SceneOptions) -> list[tuple[str, Any]]:
    from scenedetect.stats_manager import StatsManager

    wanted = [(str(options.detector), options.threshold)]
    wanted += [(str(other.detector), other.threshold) for other in options.also]
    if options.fades and all(name != "threshold" for name, _ in wanted):
        wanted.append(("threshold", options.fade_threshold))
    made = [(name, _detector(name, threshold, options)) for name, threshold in wanted]
    if options.stats:
        for _, detector in made:
            detector.stats_manager = StatsManager()
    return made


def _detector(name: str, threshold: float | None, options: SceneOptions) -> Any:
    import scenedetect
    from scenedetect.detector import FlashFilter

    level = threshold if threshold is not None else DEFAULT_THRESHOLDS[name]
    length = parse_length(options.min_length)
    if name == "adaptive":
        return scenedetect.AdaptiveDetector(
            adaptive_threshold=level,
            min_scene_len=length,
            window_width=options.window,
            min_content_val=options.min_content,
            luma_only=options.luma_only,
        )
    if name == "content":
        mode = {"merge": FlashFilter.Mode.MERGE, "suppress": FlashFilter.Mode.SUPPRESS}[options.flashes]
        return scenedetect.ContentDetector(
            threshold=level, min_scene_len=length, luma_only=options.luma_only, filter_mode=mode
        )
    if name == "threshold":
        return scenedetect.ThresholdDetector(
            threshold=level, min_scene_len=length, fade_bias=options.fade_bias
        )
    classes = {"histogram": scenedetect.HistogramDetector, "hash": scenedetect.HashDetector}
    return classes[name](threshold=level, min_scene_len=length)
