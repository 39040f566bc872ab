"""The transformer with its text, as the sampler calls it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ltx_core.diffusion.track import Track
from ltx_core.models.velocity import Modality, Velocity
from ltx_core.sampling.guidance import Variant


@dataclass(frozen=True)
class Predictor:
    """A transformer bound to the contexts of one batch.

    Attributes:
        velocity: the transformer.
        contexts: `[B, S, D]` of the prompts, per modality.
        negative: `[B, S, D]` or `[1, S, D]` of the negative prompt, per modality; needed with cfg.
        stg_blocks: blocks that spatio-temporal guidance perturbs (`ModelInfo.stg_block`).
    """

    velocity: Velocity
    contexts: Mapping[Modality, Tensor]
    negative: Mapping[Modality, Tensor] | None = None
    stg_blocks: Collection[int] = ()

    @torch.no_grad()
    def __call__(
        self,
        tracks: Mapping[Modality, Track],
        inputs: Mapping[Modality, Tensor],
        timesteps: Mapping[Modality, Tensor],
        levels: Mapping[Modality, Tensor],
        variant: Variant,
    ) -> dict[Modality, Tensor]:
        """Velocities `[B, N, C]` of a variant.

        Raises:
            ValueError: when the variant needs a negative prompt or blocks that were not given.
        """
        if variant == "perturbed" and not self.stg_blocks:
            raise ValueError(
                "spatio-temporal guidance needs blocks to perturb; give stg_blocks or set stg to 0"
            )
        return self.velocity(
            tracks,
            inputs,
            timesteps,
            levels,
            self._negative(tracks) if variant == "uncond" else self.contexts,
            cross_attention=variant != "isolated",
            stg_blocks=self.stg_blocks if variant == "perturbed" else (),
        )

    def _negative(self, tracks: Mapping[Modality, Track]) -> dict[Modality, Tensor]:
        if self.negative is None:
            raise ValueError("guidance by the prompt needs a negative prompt; give one or set cfg to 1")
        return {name: self.negative[name].expand_as(self.contexts[name]) for name in tracks}
