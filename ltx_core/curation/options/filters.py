"""What sets a clip aside, or is only shown of it: a mode and a threshold for each question."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from ltx_core.curation.functions import check_path

Mode = Literal["off", "report", "on"]
"""Not asked, shown, or set aside."""
MODES: tuple[Mode, ...] = ("off", "report", "on")


@dataclass(frozen=True)
class Below:
    """Found where a score is below the threshold."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    mode: Mode
    below: float


@dataclass(frozen=True)
class Above:
    """Found where a score is above the threshold."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    mode: Mode
    above: Annotated[float, Ge(0)]


@dataclass(frozen=True)
class TextFilter(Above):
    """Found where writing, or an overlay that stays while the picture moves, covers more than a share."""

    overlay_above: Annotated[float, Ge(0)]


@dataclass(frozen=True)
class StepFilter(Above):
    """Found where the sound is off by more seconds, as far as that can be told with some confidence."""

    confidence: Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True)
class DuplicateFilter:
    """Found where `hashes` of five pictures differ from an other clip's by at most `distance` of 64 bits."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    mode: Mode
    distance: Annotated[int, Ge(0), Le(12)]
    hashes: Annotated[int, Ge(3), Le(5)]


@dataclass(frozen=True)
class Scorer:
    """A score by a function of the user's own.

    Attributes:
        name: what the score is called.
        function: `package.module:function`; it takes the clip's frames, uint8 `[F, H, W, 3]`, RGB, and, where
            it has a second parameter, its sound, float32 `[2, S]` at 16 kHz or None; it gives a number.
        below, above: a clip is found where its score is; one of the two, or both.
        mode: whether it is asked, shown, or sets aside.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str
    function: str
    below: float | None = None
    above: float | None = None
    mode: Mode = "report"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ValueError(f"scorer {self.name!r}: a name is small letters, digits and _")
        check_path(f"scorer {self.name}: function", self.function)
        if self.mode == "on" and self.below is None and self.above is None:
            raise ValueError(
                f"scorer {self.name}: mode is on, but there is no threshold; give `below` or `above`"
            )


@dataclass(frozen=True)
class FilterOptions:
    """What is asked of every clip. `name: on` keeps the threshold; `name: 0.08` sets it and turns it on.

    Attributes:
        dark: mean luma, from 0 to 1.
        blurred: sharpness of the sharpest parts; see `measures.sharpness`.
        static: mean change of the picture in an eighth of a second, from 0 to 1.
        frozen: share of the clip in which nothing moves at all.
        black: share of the frames that are black.
        duplicate: pictures that another clip shows too; the best of a group is kept.
        letterboxed: share of the picture that one-colour borders take.
        text: share of the picture that writing or a watermark takes.
        silent: loudness in dBFS; a clip without any sound is silent.
        clipped: share of the sound that is cut off at full scale.
        out_of_step: seconds between what is seen and what is heard.
        scorers: further scores by functions of the user's own.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    dark: Below = Below("report", 0.06)
    blurred: Below = Below("report", 0.12)
    static: Below = Below("report", 0.001)
    frozen: Above = Above("on", 0.99)
    black: Above = Above("on", 0.98)
    duplicate: DuplicateFilter = DuplicateFilter("report", 6, 4)
    letterboxed: Above = Above("report", 0.15)
    text: TextFilter = TextFilter("report", 0.03, 0.002)
    silent: Below = Below("report", -60.0)
    clipped: Above = Above("report", 0.01)
    out_of_step: StepFilter = StepFilter("report", 0.12, 0.25)
    scorers: tuple[Scorer, ...] = ()

    def __post_init__(self) -> None:
        names = [scorer.name for scorer in self.scorers]
        taken = sorted({name for name in names if names.count(name) > 1 or name in FILTERS})
        if taken:
            raise ValueError(f"two scores are called {taken[0]!r}; give each scorer a name of its own")


FILTERS = tuple(found.name for found in fields(FilterOptions) if found.name != "scorers")
"""Names of the filters."""


def long_form(value: Any) -> Any:
    """The options as written, each filter with its mode and thresholds; what makes no sense is left as it is.

    Args:
        value: a mapping of names to `off`, `report`, `on`, a threshold, or a mapping; or a mode for all.

    Raises:
        ValueError: for a short form that is neither a mode nor a number.
    """
    if isinstance(value, str | bool):
        mode = _mode(value)
        if mode is None:
            raise ValueError(
                f"{value!r}; write off, report or on for all filters, or a mapping of their names"
            )
        value = dict.fromkeys(FILTERS, mode)
    if not isinstance(value, Mapping):
        return value
    found = {name: _long(name, one) if name in FILTERS else one for name, one in value.items()}
    if isinstance(found.get("scorers"), list | tuple):
        found["scorers"] = [_stated(one) if isinstance(one, Mapping) else one for one in found["scorers"]]
    return found


def _long(name: str, value: Any) -> Any:
    default = asdict(getattr(FilterOptions, name))
    threshold = next(key for key in default if key != "mode")
    mode = _mode(value)
    if mode is not None:
        return {**default, "mode": mode}
    if isinstance(value, int | float):
        return {**default, threshold: value, "mode": "on"}
    if isinstance(value, str):
        raise ValueError(
            f"{name} is {value!r}; write off, report, on or a threshold, as {default[threshold]:g}"
        )
    if not isinstance(value, Mapping):
        return value
    return {**default, **_stated(value)}


def _stated(value: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping with its mode in words: YAML reads a bare on or off as a truth value."""
    return {key: (_mode(one) or one) if key == "mode" else one for key, one in value.items()}


def _mode(value: Any) -> Mode | None:
    if isinstance(value, bool):
        return "on" if value else "off"
    return next((mode for mode in MODES if value == mode), None)
