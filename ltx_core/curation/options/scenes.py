"""How films are split into scenes, and scenes into clips."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le

Detector = Literal["adaptive", "content", "threshold", "histogram", "hash", "none"]
DEFAULT_THRESHOLDS: dict[str, float] = {
    "adaptive": 3.5,
    "content": 27.0,
    "threshold": 12.0,
    "histogram": 0.2,
    "hash": 0.35,
}
"""PySceneDetect's own, but for the adaptive detector, whose value did best on its published benchmarks."""

TAKES = ("all", "first", "middle")
Length = float | str
"""Seconds, or a text: `36f` (frames), `1.5s`, `1:02.5`, `0:01:02.5`."""
_FRAMES = re.compile(r"(\d+)\s*f(?:rames?)?")
_SECONDS = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*s?")
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:\.\d*)?)")

DETECTION = (
    *("detector", "threshold", "also", "window", "min_content", "luma_only", "flashes", "fades"),
    *("fade_threshold", "fade_bias", "min_length", "frame_skip", "downscale"),
    *("skip_start", "skip_end", "duration", "stats"),
)
"""Options that decide what the source pass finds: another value decodes the films anew."""
ENDS = ("skip_start", "skip_end", "duration")
"""Options among these that leave parts of a film out; a still is taken whole whatever they say."""
WINDOWS = ("drop_shorter", "max_scenes", "max_length", "trim", "trim_fades", "lengths", "take", "stride")
"""Options that decide which windows are cut from the scenes; no film is decoded for them."""
READING = ("letterbox",)
"""Options that count when clips are read: borders are found in any case."""


@dataclass(frozen=True)
class OtherDetector:
    """A further detector of the same pass, with its own threshold (None: `DEFAULT_THRESHOLDS`)."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    detector: Literal["adaptive", "content", "threshold", "histogram", "hash"]
    threshold: Annotated[float, Gt(0)] | None = None


@dataclass(frozen=True)
class SceneOptions:
    """How films are split into scenes, and scenes into clips.

    Attributes:
        detector: PySceneDetect's detector; `none` takes each file as one scene.
        threshold: the detector's; None: `DEFAULT_THRESHOLDS`.
        also: further detectors of the same pass; their cuts are added.
        window: frames before and after that the adaptive detector compares with.
        min_content: smallest change that the adaptive detector takes for a cut.
        luma_only: the content and adaptive detectors look at brightness alone.
        flashes: what the content detector makes of changes closer than `min_length`: one cut where they end
            (`merge`), or none but the first (`suppress`).
        fades: also find fades through black, in the same pass.
        fade_threshold: mean brightness (0 to 255) below which a picture counts as black.
        fade_bias: where a fade is cut: -1 where the black begins, 0 in its middle, 1 where it ends.
        min_length: between two cuts; a cut that comes sooner is taken for a flash.
        frame_skip: frames that the detectors leave out after each one that they see; cuts are then exact to
            so many frames only.
        downscale: the detectors see the film at its width divided by this; None: at 256 pixels.
        skip_start, skip_end: at the film's ends, of which no scene is made.
        duration: of the film from `skip_start` on, of which scenes are made; None: to its end.
        stats: keep what the detectors measured of each frame; `ltx show CONFIG cuts` writes it as CSV.
        letterbox: `crop` leaves one-colour borders out of the clips, `keep` takes the frames as they are.
        drop_shorter: shorter scenes give no clip.
        max_scenes: of one film, the first ones; further ones give no clip.
        max_length: seconds; longer scenes are divided into equal parts. None: the buckets alone decide.
        trim: seconds left out on both sides of a cut.
        trim_fades: frames of a fade from or to black belong to no clip.
        lengths: of a scene's windows: the `longest` frame count that fits, shorter ones of what is left; or
            windows of `all` frame counts, each over the whole scene.
        take: `all` windows of a scene, the `first`, the one in the `middle`, or so many, evenly spread.
        stride: seconds from the start of a window to the start of the next; None: they follow each other.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    detector: Detector = "adaptive"
    threshold: Annotated[float, Gt(0)] | None = None
    also: tuple[OtherDetector, ...] = ()
    window: Annotated[int, Ge(1)] = 3
    min_content: Annotated[float, Ge(0)] = 15.0
    luma_only: bool = False
    flashes: Literal["merge", "suppress"] = "merge"
    fades: bool = True
    fade_threshold: Annotated[float, Gt(0), Le(255)] = 12.0
    fade_bias: Annotated[float, Ge(-1), Le(1)] = 0.0
    min_length: Length = 0.6
    frame_skip: Annotated[int, Ge(0)] = 0
    downscale: Annotated[int, Ge(1)] | None = None
    skip_start: Length = 0.0
    skip_end: Length = 0.0
    duration: Length | None = None
    stats: bool = False
    letterbox: Literal["crop", "keep"] = "crop"
    drop_shorter: Length = 0.0
    max_scenes: Annotated[int, Ge(1)] | None = None
    max_length: Annotated[float, Gt(0)] | None = None
    trim: Annotated[float, Ge(0)] = 0.0
    trim_fades: bool = True
    lengths: Literal["longest", "all"] = "longest"
    take: int | str = "all"
    stride: Annotated[float, Gt(0)] | None = None

    def __post_init__(self) -> None:
        for name in ("min_length", "skip_start", "skip_end", "duration", "drop_shorter"):
            if getattr(self, name) is not None:
                parse_length(getattr(self, name), name)
        if self.take not in TAKES and not (type(self.take) is int and self.take > 0):
            raise ValueError(
                f"take is {self.take!r}; write {', '.join(TAKES)}, or how many windows of each scene, as 2"
            )
        if self.stride is not None and self.take != "all":
            raise ValueError(
                f"stride is {self.stride:g}, take {self.take}; sliding windows are all taken: leave one out"
            )
        if self.detector == "none" and (self.also or self.stats):
            raise ValueError(
                "detector is none: nothing is looked for, so `also` and `stats` have no meaning; leave them "
                "out, or choose a detector"
            )

    def stated(self, names: Sequence[str]) -> dict[str, Any]:
        """The options among `names` that differ from their defaults, for a stage's section.

        A new option at its default changes no key.
        """
        defaults = {field.name: field.default for field in fields(self)}
        values = {name: getattr(self, name) for name in names if getattr(self, name) != defaults[name]}
        if self.also and "also" in values:
            values["also"] = [[other.detector, other.threshold] for other in self.also]
        return values


def parse_length(value: Length, name: str = "length") -> float | int:
    """A length as seconds (float) or frames (int).

    Raises:
        ValueError: for a text of another form, or a negative number.
    """
    if not isinstance(value, str):
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name} is {value}; a length is 0 or more")
        return float(value)
    text = value.strip()
    if found := _FRAMES.fullmatch(text):
        return int(found[1])
    if found := _SECONDS.fullmatch(text):
        return float(found[1])
    if found := _CLOCK.fullmatch(text):
        return float(found[1] or 0) * 3600 + float(found[2]) * 60 + float(found[3])
    raise ValueError(f"{name} is {value!r}; write seconds (1.5), frames (36f) or a time (1:02.5)")
