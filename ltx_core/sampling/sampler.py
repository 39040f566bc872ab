"""The sampler: from noise to tokens, on the same tracks and equations as training.

Euler steps on the clean estimate. A token's own level is s * (1 - hold), so the step `x0 + (x - x0) *
s_next / s` is right for every token at once; held tokens are set back after each step. A given modality is
at level 0, not stepped and not guided. Latents stay float32 throughout.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from ltx_core.diffusion.flow_match import clean_from_velocity, corrupt
from ltx_core.diffusion.track import Track
from ltx_core.models.velocity import Modality
from ltx_core.sampling.guidance import Guidance, Variant

Progress = Callable[[int, int], None]
"""(steps done, steps in all)."""


class Predict(Protocol):
    """The model: velocities `[B, N, C]` of the modalities, without gradients."""

    def __call__(
        self,
        tracks: Mapping[Modality, Track],
        inputs: Mapping[Modality, Tensor],
        timesteps: Mapping[Modality, Tensor],
        levels: Mapping[Modality, Tensor],
        variant: Variant,
    ) -> Mapping[Modality, Tensor]:
        """Take tracks, inputs `[B, N, C]`, timesteps `[B, N]`, levels `[B]` by modality, and the variant."""


def start_noise(tracks: Mapping[Modality, Track], seeds: Sequence[int]) -> dict[Modality, Tensor]:
    """Standard normal `[B, targets, C]` per generated modality; a sample's depends on its own seed alone."""
    noise = {}
    for modality, track in tracks.items():
        if track.generated:
            shape = (track.targets, track.clean.shape[-1])
            drawn = [torch.randn(shape, generator=_generator(seed, modality)) for seed in seeds]
            noise[modality] = torch.stack(drawn).to(track.clean.device)
    return noise


@torch.no_grad()
def sample(
    predict: Predict,
    tracks: Mapping[Modality, Track],
    noise: Mapping[Modality, Tensor],
    levels: Tensor,
    guidance: Mapping[Modality, Guidance] | None = None,
    progress: Progress | None = None,
) -> dict[Modality, Tensor]:
    """Generate.

    Args:
        predict: the model.
        tracks: per modality; clean tokens matter where they are held, attached or given.
        noise: `[B, targets, C]` per generated modality.
        levels: `[steps + 1]` falling from 1 to 0 (`diffusion.levels.schedule`).
        guidance: per modality; none where it is missing.
        progress: called after every step.

    Returns:
        Target tokens `[B, targets, C]` float32 per modality, given ones as they were.

    Raises:
        ValueError: when no modality is generated, or a generated one has no noise.
    """
    guides = _guides(tracks, guidance or {})
    state = {name: _start(name, track, noise) for name, track in tracks.items()}
    values: list[float] = levels.tolist()
    for index, (level, following) in enumerate(pairwise(values)):
        estimates = _estimates(predict, tracks, state, level, guides)
        for name, estimate in estimates.items():
            state[name] = _advance(tracks[name], state[name], estimate, following / level)
        if progress is not None:
            progress(index + 1, len(values) - 1)
    return {name: state[name][:, -track.targets :] for name, track in tracks.items()}


def _guides(
    tracks: Mapping[Modality, Track], guidance: Mapping[Modality, Guidance]
) -> dict[Modality, Guidance]:
    """Guidance of the generated modalities; alone, a modality cannot be isolated from another."""
    guides = {}
    for name, track in tracks.items():
        if track.generated:
            found = guidance.get(name, Guidance())
            together = len(tracks) > 1
            guides[name] = found if together else Guidance(found.cfg, found.stg, 1.0, found.rescale)
    if not guides:
        raise ValueError("nothing to sample: no modality is generated")
    return guides


def _start(name: Modality, track: Track, noise: Mapping[Modality, Tensor]) -> Tensor:
    """The model's first input `[B, N, C]`: the training's corruption at level 1."""
    full = torch.zeros_like(track.clean, dtype=torch.float32)
    if track.generated:
        if name not in noise:
            raise ValueError(f"{name} is generated but there is no noise for it")
        full[:, -track.targets :] = noise[name]
    return corrupt(track, full, full.new_ones(len(full)))[0].float()


def _estimates(
    predict: Predict,
    tracks: Mapping[Modality, Track],
    state: Mapping[Modality, Tensor],
    level: float,
    guides: Mapping[Modality, Guidance],
) -> dict[Modality, Tensor]:
    """Guided clean estimates `[B, N, C]` of the generated modalities."""
    timesteps: dict[Modality, Tensor] = {}
    levels: dict[Modality, Tensor] = {}
    for name, track in tracks.items():
        own = level if track.generated else 0.0
        timesteps[name] = own * (1 - track.hold)
        levels[name] = track.hold.new_full((len(track.hold),), own)

    def clean(variant: Variant) -> dict[Modality, Tensor]:
        velocities = predict(tracks, state, timesteps, levels, variant)
        return {m: clean_from_velocity(state[m], velocities[m].float(), timesteps[m]) for m in guides}

    cond = clean("cond")
    needed = dict.fromkeys(variant for guide in guides.values() for variant in guide.variants)
    weaker = {variant: clean(variant) for variant in needed}
    return {
        name: guide.combine(cond[name], {variant: found[name] for variant, found in weaker.items()})
        for name, guide in guides.items()
    }


def _advance(track: Track, x: Tensor, estimate: Tensor, ratio: float) -> Tensor:
    """The state at the next level, which is `ratio` times this one."""
    hold = track.hold[..., None]
    clean = track.clean.float()
    kept = hold * clean + (1 - hold) * estimate
    return torch.where(hold == 1, clean, kept + (x - kept) * ratio)


def _generator(seed: int, modality: str) -> torch.Generator:
    name = hashlib.sha256(f"{seed} {modality}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(name[:8], "big") >> 1)
