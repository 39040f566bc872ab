"""Options of the noise levels in training. No torch: the config reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True)
class LevelParams:
    """Parameters of the level distribution (`flow_matching.timestep_sampling_params`)."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    std: Annotated[float, Gt(0)] = 1.0
    eps: Annotated[float, Ge(0), Le(0.5)] = 1e-3
    uniform_prob: Annotated[float, Ge(0), Le(1)] = 0.1
    min_value: Annotated[float, Ge(0), Le(1)] = 0.0
    max_value: Annotated[float, Ge(0), Le(1)] = 1.0


LevelMode = Literal["shifted_logit_normal", "uniform"]
