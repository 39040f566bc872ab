"""Options of the noise levels in training and sampling. No torch: configs and models' facts read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le

SHIFT_ANCHORS = ((1024, 0.95), (4096, 2.05))
"""(tokens, mean) points of the line through which the mean of the normal runs; not clamped (LTX-2)."""
TERMINAL = 0.1
"""The last level before 0 when sampling (LTX-2 scheduler's shift_terminal)."""


@dataclass(frozen=True)
class LevelParams:
    """Parameters of the level distribution (`flow_matching.timestep_sampling_params`)."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    std: Annotated[float, Gt(0)] = 1.0
    eps: Annotated[float, Ge(0), Le(0.5)] = 1e-3
    uniform_prob: Annotated[float, Ge(0), Le(1)] = 0.1
    min_value: Annotated[float, Ge(0), Le(1)] = 0.0
    max_value: Annotated[float, Ge(0), Le(1)] = 1.0


@dataclass(frozen=True)
class Schedule:
    """How the levels of sampling fall from 1 to 0.

    Attributes:
        kind: `fixed`: shifted as for the second anchor's tokens, whatever the size (the public LTX-2
            trainer's validation); `by_tokens`: shifted as the anchors' line says for the size;
            `linear_quadratic`: slowly, then faster, without a shift (LTX-Video from 0.9.5).
        anchors: two (tokens, shift).
        terminal: the last level before 0, to which shifted levels are stretched; None: they are not.
    """

    kind: Literal["fixed", "by_tokens", "linear_quadratic"] = "fixed"
    anchors: tuple[tuple[int, float], tuple[int, float]] = SHIFT_ANCHORS
    terminal: float | None = TERMINAL


LevelMode = Literal["shifted_logit_normal", "uniform"]
