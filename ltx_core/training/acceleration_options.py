"""`acceleration`: where and in which precision the model runs. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge

from ltx_core.models.attention_names import Attention
from ltx_core.models.compile_modes import CompileMode
from ltx_core.models.quantise.methods import METHODS, Method, Quantization, TextQuantization
from ltx_core.models.tiling.cut import TilingMode

Precision = Literal["no", "bf16", "fp16"]
Distribution = Literal["ddp", "fsdp"]

NO_GPU = "`acceleration.device: cuda` but torch sees no GPU; use `device: auto` or install a GPU build"


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
        compile_mode: how `torch.compile` does it: "reduce-overhead" records CUDA graphs, for blocks so short
            that launching them takes as long; "max-autotune-no-cudagraphs" tries kernels, which takes longer
            at the start.
        attention: the kernel of attention in the transformer's blocks; "auto" and "sdpa" leave the choice to
            torch. The same result but for rounding.
        fused_optimizer: AdamW's update as one kernel; None: on a GPU. The same result but for rounding.
        preflight_step: try the largest batch before the first step: what does not fit is found at once, and
            the allocator's memory is cut for it; None: on a GPU. The result is the same.
        vae_tiling: the video autoencoder works in pieces: "auto" where a clip is too large for one pass,
            which its size and the precision decide; "always" in the smallest: least memory, more time.
        threads: CPU threads of a training process; None: all cores. Results depend on it in the last bits.
        device: "auto" takes a GPU where there is one.
        processes: that train together, each with a batch of its own in every forward pass; "auto": one for
            each visible GPU. A run with k of them and n accumulation steps is that with 1 and k * n.
        distribution: "ddp": every process holds the whole model; "fsdp": each holds its share of every
            block's weights, and what learns among them, and borrows the others' while a block runs.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    mixed_precision_mode: Precision | None = "bf16"
    quantization: Quantization | None = None
    text_encoder_quantization: TextQuantization | None = None
    load_text_encoder_in_8bit: bool = False
    offload_optimizer_during_validation: bool = False
    blocks_to_swap: Annotated[int, Ge(0)] = 0
    compile: bool = False
    compile_mode: CompileMode = "default"
    attention: Attention = "auto"
    fused_optimizer: bool | None = None
    preflight_step: bool | None = None
    vae_tiling: TilingMode = "auto"
    threads: Annotated[int, Ge(1)] | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: Annotated[int, Ge(1)] | Literal["auto"] = 1
    distribution: Distribution = "ddp"

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
