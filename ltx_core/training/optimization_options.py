"""`optimization`: steps, batches, learning rate and the loss. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt

from ltx_core.curation.functions import FORM

SchedulerType = Literal["constant", "linear", "cosine", "cosine_with_restarts", "polynomial", "step"]
Fill = Literal["repeat", "short"]

OPTIMIZERS = ("adamw", "adamw8bit", "adafactor", "prodigy", "came")
"""Optimizers with a name of their own; `optimizers.py` says where they come from."""

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
        video_learning_rate: the highest rate of what serves the video alone; None: `learning_rate`.
        audio_learning_rate: that of what serves the audio alone. The attentions between both have
            `learning_rate`.
        max_grad_norm: gradients are scaled down to this norm; 0 never scales.
        max_bad_steps: steps in a row without a finite loss and gradient after which the run ends.
        optimizer_type: one of `OPTIMIZERS`, or a class by import path, `package.module:Class`.
        optimizer_params: further arguments of the optimizer, such as `eps`.
        scheduler_params: see `SCHEDULER_PARAMS`.
        warmup_steps: optimizer steps in which the learning rate rises from 0.
        enable_gradient_checkpointing: recompute activations: less memory, about half more time for a LoRA.
            "auto": of as few blocks as the memory plan lets fit this device; the result is the same.
        checkpoint_every: with it, of every n-th block alone: 2 keeps half the activations and costs half the
            time.
        video_loss_weight: factor of the video loss in the total.
        audio_loss_weight: factor of the audio loss in the total.
        prior_loss_weight: factor of the loss of samples from a regularisation source.
        frozen: modalities of which nothing learns, neither weights nor adapters; they are generated or given
            and give their loss as ever.
        caption_dropout: share of samples that train on the empty caption, which guidance needs.
        weight_decay: of optimizers that have one.
        betas: decays of the optimizer's averages, where it has such.
        ema_decay: keep an exponential moving average of what learns, which then is what is measured, sampled
            and exported; the share that stays at each update, as 0.999. None: off.
        ema_warmup: begin with a small decay, (1 + n) / (10 + n) after n updates, up to `ema_decay`.
        ema_every: optimizer steps from one update of the average to the next.
        ema_offload: keep the average in the machine's memory; slower, the result is the same.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    learning_rate: Annotated[float, Gt(0)] = 5e-4
    steps: Annotated[int, Ge(1)] = 3000
    batch_size: Annotated[int, Ge(1)] = 2
    batch_tokens: Annotated[int, Ge(1)] | None = None
    fill: Fill = "repeat"
    gradient_accumulation_steps: Annotated[int, Ge(1)] = 1
    max_grad_norm: Annotated[float, Ge(0)] = 1.0
    optimizer_type: str = "adamw"
    optimizer_params: dict[str, Any] = field(default_factory=dict)
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
    video_learning_rate: Annotated[float, Gt(0)] | None = None
    audio_learning_rate: Annotated[float, Gt(0)] | None = None
    max_bad_steps: Annotated[int, Ge(1)] = 5
    ema_decay: Annotated[float, Ge(0), Lt(1)] | None = None
    ema_warmup: bool = True
    ema_every: Annotated[int, Ge(1)] = 1
    ema_offload: bool = False
    frozen: tuple[Literal["video", "audio"], ...] = ()

    @property
    def checkpointing(self) -> int:
        """Which blocks recompute their activations: 0 none, 1 all, n every n-th; of "auto" the most, all."""
        return self.checkpoint_every if self.enable_gradient_checkpointing else 0

    def rate_of(self, modality: str | None) -> float:
        """The highest learning rate of what serves a modality alone; of the rest for another word."""
        own = {"video": self.video_learning_rate, "audio": self.audio_learning_rate}.get(modality or "")
        return self.learning_rate if own is None else own

    @property
    def one_rate(self) -> bool:
        """Whether everything learns at one rate."""
        return self.rate_of("video") == self.rate_of("audio") == self.learning_rate

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
        if self.warmup_steps >= self.steps and self.warmup_steps:
            raise ValueError(
                f"warmup_steps {self.warmup_steps} leave nothing of {self.steps} steps; use at most "
                f"{self.steps - 1}"
            )
        self._check_optimizer()
        if self.enable_gradient_checkpointing == "auto" and self.checkpoint_every != 1:
            raise ValueError(
                f"checkpoint_every is {self.checkpoint_every}, but enable_gradient_checkpointing is 'auto', "
                "which chooses it; leave it out, or set enable_gradient_checkpointing: true"
            )

    def _check_optimizer(self) -> None:
        kind = self.optimizer_type
        if kind not in OPTIMIZERS and FORM.fullmatch(kind) is None:
            raise ValueError(
                f"optimizer_type is {kind!r}; use one of {', '.join(OPTIMIZERS)}, or a class as "
                "package.module:Class, such as torch.optim:RAdam"
            )
        if kind == "prodigy" and not self.one_rate:
            raise ValueError(
                "video_learning_rate and audio_learning_rate: prodigy finds one step size for all that "
                "learns; leave them out, or use another optimizer_type"
            )
        if self.ema_decay is None and (self.ema_offload or self.ema_every > 1 or not self.ema_warmup):
            raise ValueError(
                "ema_warmup, ema_every and ema_offload do nothing without ema_decay; set it, as 0.999, or "
                "leave them out"
            )
