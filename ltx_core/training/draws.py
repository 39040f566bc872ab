"""Every random number of a training step as a function of (seed, step, sample, modality, purpose).

Nothing depends on the process's history, so a resumed run draws what an unbroken one drew, and any number of
processes draws the same for the same sample. Numbers come from the CPU's generator on every device.
(That generator takes 32 bits of a seed: two given draws coincide once in 4e9.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ANY_MODALITY = "any"
"""The modality's name for draws that all modalities share."""


def draw_seed(*parts: str | int) -> int:
    """A 63-bit seed from a digest of `parts`, each ended by its length so that no two lists collide."""
    state = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = str(part).encode("utf-8", "surrogatepass")
        state.update(data + len(data).to_bytes(4, "big"))
    return int.from_bytes(state.digest(), "big") >> 1


@dataclass(frozen=True)
class Draws:
    """The draws of one optimizer step.

    `samples` below are names of samples (`order.Portion.names`): the clip's id, and for a clip that is in a
    step more than once a name of its own for each time.
    """

    seed: int
    step: int

    def generator(self, sample: str, modality: str, purpose: str) -> torch.Generator:
        """The CPU generator of one purpose of one sample."""
        return torch.Generator().manual_seed(draw_seed(self.seed, self.step, sample, modality, purpose))

    def noise(self, modality: str, samples: Sequence[str], tokens: int, channels: int) -> Tensor:
        """Standard normal noise `[B, tokens, channels]` float32."""
        return torch.stack(
            [
                torch.randn(tokens, channels, generator=self.generator(sample, modality, "noise"))
                for sample in samples
            ]
        )

    def levels(self, modality: str, samples: Sequence[str]) -> Tensor:
        """Draws `[3, B]` for a noise level: standard normal, uniform, mixing uniform."""
        columns = []
        for sample in samples:
            generator = self.generator(sample, modality, "level")
            columns.append(
                torch.cat([torch.randn(1, generator=generator), torch.rand(2, generator=generator)])
            )
        return torch.stack(columns, 1)

    def uniform(self, modality: str, samples: Sequence[str], purpose: str) -> Tensor:
        """Uniform draws `[B]` in [0, 1)."""
        return torch.cat(
            [torch.rand(1, generator=self.generator(sample, modality, purpose)) for sample in samples]
        )

    def coins(self, modality: str, index: int, samples: Sequence[str]) -> Tensor:
        """Uniform draws `[B]` for condition `index` of a modality (`assemble.Coins`)."""
        return self.uniform(modality, samples, f"condition {index}")

    def torch_seed(self, part: int) -> int:
        """Seed of the global generator (dropout inside the model) for the forward pass `part` of the step."""
        return draw_seed(self.seed, self.step, part, "torch")
