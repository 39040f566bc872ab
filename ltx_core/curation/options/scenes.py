"""How films are split into scenes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt

Detector = Literal["adaptive", "content", "threshold", "histogram", "hash", "none"]
DEFAULT_THRESHOLDS: dict[str, float] = {
    "adaptive": 3.5,
    "content": 27.0,
    "threshold": 12.0,
    "histogram": 0.2,
    "hash": 0.35,
}
"""PySceneDetect's own, but for the adaptive detector, whose value did best on its published benchmarks."""


@dataclass(frozen=True)
class SceneOptions:
    """How films are split into scenes.

    Attributes:
        detector: PySceneDetect's detector; `none` takes each file as one scene.
        threshold: the detector's; None: `DEFAULT_THRESHOLDS`.
        window: frames before and after that the adaptive detector compares with.
        min_content: smallest change that the adaptive detector takes for a cut.
        fades: also find fades through black, in the same pass.
        min_length: seconds between two cuts; a cut that comes sooner is taken for a flash.
        max_length: seconds; longer scenes are divided into equal parts. None: the buckets alone decide.
        trim: seconds left out on both sides of a cut.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    detector: Detector = "adaptive"
    threshold: Annotated[float, Gt(0)] | None = None
    window: Annotated[int, Ge(1)] = 3
    min_content: Annotated[float, Ge(0)] = 15.0
    fades: bool = True
    min_length: Annotated[float, Ge(0)] = 0.6
    max_length: Annotated[float, Gt(0)] | None = None
    trim: Annotated[float, Ge(0)] = 0.0
