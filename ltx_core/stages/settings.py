"""What of a config changes memory and speed: what a plan estimates with, and its advice changes."""

from __future__ import annotations

from dataclasses import dataclass

from ltx_core.config.root import Config
from ltx_core.models.quantise.methods import Method
from ltx_core.models.tiling.cut import TilingMode
from ltx_core.stages.folder import is_full
from ltx_core.stages.tokens import Tokens
from ltx_core.training.options import samples_of


@dataclass(frozen=True)
class Settings:
    """What of a config changes memory and speed and not what is learnt, but for quantisation's rounding.

    Attributes:
        batch: samples of a forward pass, at the most.
        passes: forward passes of an optimizer step.
        every: which blocks recompute their activations; 0 none, n every n-th.
        method: quantisation of the frozen base.
        swap: blocks whose weights wait on the host.
        text_method: quantisation of the text encoder.
        tiling: when the video autoencoder works in pieces.
        budget: tokens of a forward pass at the most, of more than one sample; None: any.
    """

    batch: int
    passes: int
    every: int
    method: Method | None
    swap: int
    text_method: Method | None
    tiling: TilingMode = "auto"
    budget: int | None = None

    def samples(self, tokens: Tokens) -> int:
        """Samples of a forward pass of one bucket."""
        return samples_of(self.batch, self.budget, tokens.all)

    @classmethod
    def of(cls, config: Config) -> Settings:
        """Those of a config."""
        options, place = config.optimization, config.acceleration
        return cls(
            batch=options.batch_size,
            passes=options.gradient_accumulation_steps,
            every=options.checkpointing,
            method=None if is_full(config) else place.base_method,
            swap=0 if is_full(config) else place.blocks_to_swap,
            text_method=place.text_method,
            tiling=place.vae_tiling,
            budget=options.batch_tokens,
        )
