"""The track: one modality of a batch as tokens. Training and sampling both start from it.

A condition either holds target tokens (`holding`) or attaches clean tokens in front (`attaching`);
a modality as a whole is generated or given. Every change returns a new track.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Track:
    """One modality of a batch.

    Attributes:
        clean: `[B, N, C]` the tokens without noise.
        hold: `[B, N]` in [0, 1]; 1 keeps the clean token, 0 generates it.
        target: `[B, N]` bool; False for attached tokens, which are never part of the result.
        positions: `[B, D, N, 2]` float32, start and end of each token.
        generated: False for a given modality: clean at level 0, no loss.
        present: `[B]` bool; False where a sample has no such modality (a silent clip): no loss.
        attached: tokens in front of the target, those of `target` False.
        even: True where it is known that all tokens of each sample are held alike. Both are said once, where
            the track is made: to ask its tensors in a step would wait for the device.
    """

    clean: Tensor
    hold: Tensor
    target: Tensor
    positions: Tensor
    generated: bool = True
    present: Tensor | None = None
    attached: int = 0
    even: bool = False

    def __post_init__(self) -> None:
        batch, tokens, _ = self.clean.shape
        expected = {"hold": (batch, tokens), "target": (batch, tokens)}
        for name, shape in expected.items():
            found = tuple(getattr(self, name).shape)
            if found != shape:
                raise ValueError(f"track.{name} is {found}; it must be [B, N] = {shape}")
        if self.positions.shape[0] != batch or self.positions.shape[2:] != (tokens, 2):
            raise ValueError(
                f"track.positions is {tuple(self.positions.shape)}; it must be [B, D, N, 2] "
                f"with B={batch}, N={tokens}"
            )
        if self.present is not None and tuple(self.present.shape) != (batch,):
            raise ValueError(f"track.present is {tuple(self.present.shape)}; it must be [B] = {(batch,)}")

    @classmethod
    def of(cls, clean: Tensor, positions: Tensor, *, generated: bool = True) -> Track:
        """A track of `clean` `[B, N, C]` at `positions` `[D, N, 2]` or `[B, D, N, 2]`; nothing is held."""
        batch, tokens, _ = clean.shape
        if positions.ndim == 3:
            positions = positions.expand(batch, *positions.shape)
        return cls(
            clean=clean,
            hold=torch.zeros(batch, tokens, device=clean.device),
            target=torch.ones(batch, tokens, dtype=torch.bool, device=clean.device),
            positions=positions.to(clean.device, torch.float32),
            generated=generated,
            even=True,
        )

    @property
    def targets(self) -> int:
        """Number of target tokens; attached tokens stand in front of them."""
        return self.clean.shape[1] - self.attached

    @property
    def one_level(self) -> bool:
        """Whether all tokens of each sample surely have one noise level."""
        return self.even or not self.generated

    @property
    def loss_tokens(self) -> Tensor:
        """`[B, N]` bool: target tokens that are not held, of samples that have this modality."""
        mask = self.target & (self.hold == 0)
        if not self.generated:
            mask = torch.zeros_like(mask)
        return mask if self.present is None else mask & self.present[:, None]

    def holding(self, hold: Tensor) -> Track:
        """Hold target tokens by `hold` `[B, targets]`; overlapping holds combine by maximum."""
        offset = self.attached
        new = self.hold.clone()
        new[:, offset:] = torch.maximum(new[:, offset:], hold.to(new))
        return replace(self, hold=new, even=bool((new == new[:, :1]).all()))

    def attaching(self, clean: Tensor, positions: Tensor) -> Track:
        """Put `clean` `[B, n, C]` at `positions` `[B, D, n, 2]` in front: held, no loss, no result."""
        batch, count, _ = clean.shape
        return replace(
            self,
            clean=torch.cat([clean.to(self.clean), self.clean], 1),
            hold=torch.cat([self.hold.new_ones(batch, count), self.hold], 1),
            target=torch.cat([self.target.new_zeros(batch, count), self.target], 1),
            positions=torch.cat([positions.to(self.positions), self.positions], 2),
            attached=self.attached + count,
            even=False,
        )

    def to(self, device: torch.device | str) -> Track:
        """The same track on `device`."""
        return self.each(lambda tensor: tensor.to(device))

    def each(self, change: Callable[[Tensor], Tensor]) -> Track:
        """The same track with `change` of every tensor."""
        return replace(
            self,
            clean=change(self.clean),
            hold=change(self.hold),
            target=change(self.target),
            positions=change(self.positions),
            present=None if self.present is None else change(self.present),
        )
