"""`optimization`: steps, batches, learning rate and the loss. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt

SchedulerType = Literal["constant", "linear", "cosine", "cosine_with_restarts", "polynomial", "step"]
Fill = Literal["repeat", "short"]

SCHEDULER_PARAMS: Mapping[str, frozenset[str]] = {
    "constant": frozenset(),
    "linear": frozenset({"start_factor", "end_factor", "min_lr_ratio"}),
    "cosine": frozenset({"eta_min", "min_lr_ratio"}),
    "cosine_with_restarts": frozenset({"T_0", "T_mult", "num_cycles", "eta_min", "min_lr_ratio"}),
    "polynomial": frozenset({"power", "min_lr_ratio"}),
    "step": frozenset({"step_size", "gamma", "min_lr_ratio"}),
}
"""What `scheduler_params` may hold for each `scheduler_type`; `optim.py` says what it does."""


def samples_of(most: int, budget: int | None, tokens: int) -> int:
    """Samples of `tokens` tokens each that a pass takes: `most`, or what `budget` allows; one in any case."""
    return most if budget is None else max(1, min(most, budget // max(1, tokens)))


@dataclass(frozen=True)
class OptimizationOptions:
    """`optimization`: steps, batches, learning rate and the loss.

    Attributes:
        learning_rate: the highest learning rate.
        steps: optimizer steps of the whole run.
        batch_size: samples of one forward pass in one process, at the most.
        batch_tokens: tokens of one forward pass in one process at the most, sound and attached references
            included: a bucket of large samples gets a smaller batch, of one sample at least. None: no limit.
        fill: what becomes of a bucket's last batch in an epoch: "repeat" fills it up with samples of the
            bucket, "short" leaves it smaller, so that every sample comes exactly as often as it shall.
        gradient_accumulation_steps: forward passes of one optimizer step; equal to one large batch.
        max_grad_norm: gradients are scaled down to this norm; 0 never scales.
        scheduler_params: see `SCHEDULER_PARAMS`.
        warmup_steps: optimizer steps in which the learning rate rises from 0.
        enable_gradient_checkpointing: recompute activations: less memory, about half more time for a LoRA.
            "auto": of as few blocks as the memory plan lets fit this device; the result is the same.
        checkpoint_every: with it, of every n-th block alone: 2 keeps half the activations and costs half the
            time.
        video_loss_weight: factor of the video loss in the total.
        audio_loss_weight: factor of the audio loss in the total.
        prior_loss_weight: factor of the loss of samples from a regularisation source.
        caption_dropout: share of samples that train on the empty caption, which guidance needs.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    learning_rate: Annotated[float, Gt(0)] = 5e-4
    steps: Annotated[int, Ge(1)] = 3000
    batch_size: Annotated[int, Ge(1)] = 2
    batch_tokens: Annotated[int, Ge(1)] | None = None
    fill: Fill = "repeat"
    gradient_accumulation_steps: Annotated[int, Ge(1)] = 1
    max_grad_norm: Annotated[float, Ge(0)] = 1.0
    optimizer_type: Literal["adamw", "adamw8bit"] = "adamw"
    scheduler_type: SchedulerType = "linear"
    scheduler_params: dict[str, float] = field(default_factory=dict)
    warmup_steps: Annotated[int, Ge(0)] = 0
    enable_gradient_checkpointing: bool | Literal["auto"] = False
    checkpoint_every: Annotated[int, Ge(1)] = 1
    video_loss_weight: Annotated[float, Ge(0)] = 1.0
    audio_loss_weight: Annotated[float, Ge(0)] = 1.0
    prior_loss_weight: Annotated[float, Gt(0)] = 1.0
    caption_dropout: Annotated[float, Ge(0), Le(1)] = 0.0
    weight_decay: Annotated[float, Ge(0)] = 0.01
    betas: tuple[Annotated[float, Ge(0), Lt(1)], Annotated[float, Ge(0), Lt(1)]] = (0.9, 0.999)

    @property
    def checkpointing(self) -> int:
        """Which blocks recompute their activations: 0 none, 1 all, n every n-th; of "auto" the most, all."""
        return self.checkpoint_every if self.enable_gradient_checkpointing else 0

    def batch_of(self, tokens: int) -> int:
        """Samples of one forward pass in one process, of a bucket whose samples have so many tokens."""
        return samples_of(self.batch_size, self.batch_tokens, tokens)

    def __post_init__(self) -> None:
        known = SCHEDULER_PARAMS[self.scheduler_type]
        unknown = sorted(set(self.scheduler_params) - known) if self.scheduler_type != "constant" else []
        if unknown:
            raise ValueError(
                f"scheduler_params {', '.join(unknown)} mean nothing to {self.scheduler_type!r}; "
                f"it takes {', '.join(sorted(known))}"
            )
        for name, value in self.scheduler_params.items():
            smallest = 1 if name in ("T_0", "T_mult", "num_cycles", "step_size") else 0
            if value < smallest:
                raise ValueError(f"scheduler_params.{name} is {value}; it must be at least {smallest}")
        if self.enable_gradient_checkpointing == "auto" and self.checkpoint_every != 1:
            raise ValueError(
                f"checkpoint_every is {self.checkpoint_every}, but enable_gradient_checkpointing is 'auto', "
                "which chooses it; leave it out, or set enable_gradient_checkpointing: true"
            )
        if self.warmup_steps >= self.steps and self.warmup_steps:
            raise ValueError(
                f"warmup_steps {self.warmup_steps} leave nothing of {self.steps} steps; use at most "
                f"{self.steps - 1}"
            )
