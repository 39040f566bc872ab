"""What a mode with one modality pays: time and memory of a training step, against the same with both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import Result, in_turns, per_second
from ltx_core.assemble import Batch, Scales, assemble
from ltx_core.geometry.grid import AudioScale, VideoScale
from ltx_core.models.headers import transformer_parameter_count
from ltx_core.models.info import ModelInfo
from ltx_core.models.lora.adapters import add_lora
from ltx_core.models.ltx2 import load_transformer
from ltx_core.models.names import BOTH, runs_with
from ltx_core.models.options import LoraOptions
from ltx_core.models.velocity import Velocity
from ltx_core.modes import Strategy
from ltx_core.training.draws import Draws
from ltx_core.training.optim import adamw, trainable
from ltx_core.training.options import OptimizationOptions
from ltx_core.training.step import StepOptions, prepare, training_step

LTX23: dict[str, Any] = {
    "num_attention_heads": 32,
    "attention_head_dim": 128,
    "cross_attention_dim": 4096,
    "audio_num_attention_heads": 32,
    "audio_attention_head_dim": 64,
    "audio_cross_attention_dim": 2048,
    "num_layers": 48,
    "gated_attn": True,
    "audio_gated_attn": True,
    "cross_attn_mod": True,
    "audio_cross_attn_mod": True,
    "use_prompt_embeddings": False,
    "rope_type": "split",
}
"""Sizes of LTX-2.3's transformer."""
SMALL: dict[str, Any] = {
    **LTX23,
    "num_attention_heads": 8,
    "attention_head_dim": 32,
    "cross_attention_dim": 256,
    "audio_num_attention_heads": 8,
    "audio_attention_head_dim": 16,
    "audio_cross_attention_dim": 128,
    "num_layers": 6,
}
"""The same proportions, a sixteenth as wide and an eighth as deep."""
VIDEO, STEPS = (5, 12, 17), 93
"""Latent frames, rows and columns: a sixth of the tokens of 960x544x89; audio latents of its 3.7 s, all."""
CONTEXT = 128
"""Text tokens."""
ALONE = (("video", "audio"), ("audio", "video"))
SCALES = Scales(VideoScale(8, 32, 32), AudioScale(16000, 160, 4))


def one_modality(folder: Path, rounds: int) -> list[Result]:
    """Lines for video alone and for sound alone: seconds of a step, bytes of weights, memory of a GPU."""
    from diffusers import LTX2VideoTransformer3DModel

    torch.manual_seed(0)
    LTX2VideoTransformer3DModel(**SMALL).to(torch.bfloat16).save_pretrained(folder / "ltx" / "transformer")
    info, found = ModelInfo.read(folder / "ltx"), []
    joint = Training(info, BOTH)
    for alone, _ in ALONE:
        own = Training(info, (alone,))
        pair = in_turns(own.step, joint.step, rounds)
        speeds = per_second(1, pair.ours, "steps"), per_second(1, pair.bare, "steps")
        found.append(Result(f"training step, {alone} alone", "the same with both", pair.ratio, *speeds))
        expected = own.adapters + 4 * transformer_parameter_count(info, [alone])
        found.append(_bytes(f"weights on the device, {alone} alone", own.bytes, joint.bytes, expected))
        if torch.cuda.is_available():
            peaks = [_peak(each.step) for each in (own, joint)]
            found.append(_bytes(f"GPU memory of a step, {alone} alone (both models loaded)", *peaks))
    return [*found, *_real_sizes()]


class Training:
    """A LoRA's training step on random latents, with the modalities given."""

    def __init__(
        self, info: ModelInfo, modalities: tuple[str, ...], grid: tuple[int, int, int] = VIDEO
    ) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.strategy = Strategy.model_validate({name: {} for name in modalities})
        model = load_transformer(info, self.device, torch.float32, modalities)
        frozen = _size(model)
        add_lora(model, LoraOptions(rank=16), 0, modalities)
        self.bytes, self.velocity = _size(model), Velocity(model)
        self.adapters = self.bytes - frozen
        self.optimizer = adamw(trainable(model).values(), OptimizationOptions())
        video = torch.randn(1, 128, *grid) if "video" in modalities else None
        audio = torch.randn(1, 8, STEPS, 16) if "audio" in modalities else None
        self.batch = Batch(("one",), video, audio, fps=torch.tensor([24.0], dtype=torch.float64))
        widths = {"video": 256, "audio": 128}
        self.contexts = {
            name: torch.randn(1, CONTEXT, widths[name], device=self.device) for name in modalities
        }

    def backward(self) -> None:
        """Draws, corruption, forward, backward."""
        options = StepOptions()
        ready = prepare(self.batch, ("one",), Draws(0, 0), self._tracks, options).to(self.device)
        result = training_step(ready, self.velocity, lambda captions: self.contexts, options)  # type: ignore[arg-type]
        result.total.backward()

    def step(self) -> None:
        """`backward`, then the optimizer."""
        self.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.device == "cuda":
            torch.cuda.synchronize()

    def _tracks(self, batch: Batch, coins: Any) -> Any:
        return assemble(self.strategy, batch, SCALES, coins)


def _size(model: Any) -> int:
    return sum(parameter.nbytes for parameter in model.parameters())


def _peak(work: Callable[[], None]) -> int:
    torch.cuda.reset_peak_memory_stats()
    work()
    return torch.cuda.max_memory_allocated()


def _real_sizes() -> list[Result]:
    """Bytes of LTX-2.3's weights in bfloat16, from the shapes of its layers: nothing is loaded."""
    from accelerate import init_empty_weights
    from diffusers import LTX2VideoTransformer3DModel

    with init_empty_weights():
        model = LTX2VideoTransformer3DModel(**LTX23)
    sizes = {name: 2 * parameter.numel() for name, parameter in model.named_parameters()}
    whole = sum(sizes.values())
    return [
        _bytes(
            f"LTX-2.3's weights in bfloat16, {alone} alone",
            sum(size for name, size in sizes.items() if runs_with(name, [alone])),
            whole,
        )
        for alone, _ in ALONE
    ]


def _bytes(name: str, ours: int, both: int, expected: int | None = None) -> Result:
    aim = "" if expected is None else "no byte of the other"
    met = None if expected is None else ours == expected
    return Result(name, "with both", ours / both, amount(ours), amount(both), aim, met)


def amount(count: int) -> str:
    """`1.2 GB`."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
