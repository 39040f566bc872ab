"""Guidance: the clean estimate pushed away from what a weaker prediction says. Needs no torch to import.

    c + (cfg - 1)(c - u) + stg (c - p) + (modality - 1)(c - m), then times r * std(c) / std + 1 - r

c: the prompt's estimate; u: with the negative prompt; p: self attention replaced by its values in some blocks
(spatio-temporal guidance, arXiv:2411.18664); m: both audio-video attentions off. Checked by
`tests/golden/test_guidance.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Variant = Literal["cond", "uncond", "perturbed", "isolated"]
"""What a prediction is made with: the prompt, or one of the weaker three."""


@dataclass(frozen=True)
class Guidance:
    """Strengths for one modality; the defaults guide nothing.

    Attributes:
        cfg: of the prompt against the negative prompt; 1 is off.
        stg: of self attention; 0 is off.
        modality: of the other modality; 1 is off.
        rescale: share of the estimate's spread that is set back to the unguided one's, in [0, 1].
    """

    cfg: float = 1.0
    stg: float = 0.0
    modality: float = 1.0
    rescale: float = 0.0

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Weaker predictions that are needed."""
        wanted: tuple[tuple[Variant, bool], ...] = (
            ("uncond", self.cfg != 1),
            ("perturbed", self.stg != 0),
            ("isolated", self.modality != 1),
        )
        return tuple(variant for variant, needed in wanted if needed)

    def combine(self, cond: Tensor, weaker: Mapping[Variant, Tensor]) -> Tensor:
        """The guided clean estimate `[B, N, C]` float32; a variant that is not there does not guide."""
        scales: dict[Variant, float] = {
            "uncond": self.cfg - 1,
            "perturbed": self.stg,
            "isolated": self.modality - 1,
        }
        c = cond.float()
        guided = c
        for variant, scale in scales.items():
            if scale != 0 and variant in weaker:
                guided = guided + scale * (c - weaker[variant].float())
        if self.rescale == 0 or guided is c:
            return guided
        ratio = c.std((1, 2), keepdim=True) / guided.std((1, 2), keepdim=True)
        return guided * (self.rescale * ratio + 1 - self.rescale)
