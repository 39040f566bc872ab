"""Options of the trainer: the public trainer's sections, names and defaults. No torch here.

Differences from the public trainer, on purpose: the full training state is saved by default (its own default
loses the optimizer's moments), and warm-up, weight decay, caption dropout and loss weights can be set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt

from ltx_core.models.quantise.methods import METHODS, Method, Quantization, TextQuantization
from ltx_core.models.tiling.cut import TilingMode

SchedulerType = Literal["constant", "linear", "cosine", "cosine_with_restarts", "polynomial", "step"]
Format = Literal["diffusers", "merged", "merged-file", "file"]
Precision = Literal["no", "bf16", "fp16"]
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

NO_GPU = "`acceleration.device: cuda` but torch sees no GPU; use `device: auto` or install a GPU build"


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
    enable_gradient_checkpointing: bool = False
    checkpoint_every: Annotated[int, Ge(1)] = 1
    video_loss_weight: Annotated[float, Ge(0)] = 1.0
    audio_loss_weight: Annotated[float, Ge(0)] = 1.0
    prior_loss_weight: Annotated[float, Gt(0)] = 1.0
    caption_dropout: Annotated[float, Ge(0), Le(1)] = 0.0
    weight_decay: Annotated[float, Ge(0)] = 0.01
    betas: tuple[Annotated[float, Ge(0), Lt(1)], Annotated[float, Ge(0), Lt(1)]] = (0.9, 0.999)

    @property
    def checkpointing(self) -> int:
        """Which blocks recompute their activations: 0 none, 1 all, n every n-th."""
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
        if self.warmup_steps >= self.steps and self.warmup_steps:
            raise ValueError(
                f"warmup_steps {self.warmup_steps} leave nothing of {self.steps} steps; use at most "
                f"{self.steps - 1}"
            )


@dataclass(frozen=True)
class CheckpointOptions:
    """`checkpoints`: what is saved, how often, and whether a run goes on from it.

    Attributes:
        interval: optimizer steps between checkpoints; None saves at the end and on an interrupt only.
        keep_last_n: checkpoints that are kept, -1 for all. The newest is never removed.
        precision: of the exported weights. The training state is always exact.
        no_resume: begin at step 0 although there is a checkpoint.
        save_training_state: "full" goes on exactly; "minimal" keeps weights and step but not the optimizer's
            moments; "off" keeps nothing to go on from.
        formats: further forms of the weights in the published folder: of a LoRA "diffusers" (with adapter
            metadata), "merged" and "merged-file" (the base's transformer with it); of full training "file".
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    interval: Annotated[int, Gt(0)] | None = None
    keep_last_n: Annotated[int, Ge(-1)] = 1
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    no_resume: bool = False
    save_training_state: Literal["full", "minimal", "off"] = "full"
    formats: tuple[Format, ...] = ()


@dataclass(frozen=True)
class AccelerationOptions:
    """`acceleration`: where and in which precision the model runs.

    Attributes:
        mixed_precision_mode: of the frozen models that encode, train and sample, and autocast of training's
            forward pass; None is "no". LoRA weights, audio autoencoder and vocoder are float32 always.
        quantization: how the frozen weights of the transformer's blocks are stored while a LoRA learns and
            while samples are made; the LoRA belongs to that base. None: in `mixed_precision_mode`.
        text_encoder_quantization: the same for the text encoder, while captions are encoded.
        load_text_encoder_in_8bit: the public trainer's word for `text_encoder_quantization: int8`.
        offload_optimizer_during_validation: the optimizer's moments leave a GPU while samples are made; the
            result is the same to the bit.
        blocks_to_swap: blocks of the transformer whose frozen weights wait on the host and come to the device
            when they run: less memory, more time, the same result to the bit. For a LoRA.
        compile: compile the transformer's blocks for training: minutes at its start, faster steps, the same
            result but for rounding.
        vae_tiling: the video autoencoder works in pieces: "auto" where a clip is too large for one pass,
            which its size and the precision decide; "always" in the smallest: least memory, more time.
        threads: CPU threads of a training process; None: all cores. Results depend on it in the last bits.
        device: "auto" takes a GPU where there is one.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    mixed_precision_mode: Precision | None = "bf16"
    quantization: Quantization | None = None
    text_encoder_quantization: TextQuantization | None = None
    load_text_encoder_in_8bit: bool = False
    offload_optimizer_during_validation: bool = False
    blocks_to_swap: Annotated[int, Ge(0)] = 0
    compile: bool = False
    vae_tiling: TilingMode = "auto"
    threads: Annotated[int, Ge(1)] | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @property
    def precision(self) -> Precision:
        """`mixed_precision_mode`, one name for each meaning."""
        return self.mixed_precision_mode or "no"

    @property
    def base_method(self) -> Method | None:
        """How the transformer is quantised, one name for each method; None: not, or by no method of ours."""
        return METHODS.get(self.quantization or "")

    @property
    def text_method(self) -> Method | None:
        """How the text encoder is quantised; None: not."""
        return self.text_encoder_quantization or ("int8" if self.load_text_encoder_in_8bit else None)
