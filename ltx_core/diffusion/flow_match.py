"""The rectified-flow equations (Liu et al. 2022, arXiv:2209.03003) as named pure functions.

At level s a token is `(1 - s) * clean + s * noise`; the model predicts the velocity `noise - clean`.
"""

from __future__ import annotations

from torch import Tensor

from ltx_core.diffusion.track import Track


def corrupt(track: Track, noise: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """Model input of a track at noise level `level`.

    Args:
        track: the modality.
        noise: `[B, N, C]` standard normal; its values at fully held tokens are not used.
        level: `[B]` in [0, 1].

    Returns:
        input `[B, N, C]` and timesteps `[B, N]` = level * (1 - hold). A given modality is clean at 0.
    """
    if not track.generated:
        return track.clean, track.hold.new_zeros(track.hold.shape)
    s = level.to(track.clean)[:, None, None]
    hold = track.hold.to(track.clean)[..., None]
    noisy = (1 - s) * track.clean + s * noise
    return hold * track.clean + (1 - hold) * noisy, level.to(track.hold)[:, None] * (1 - track.hold)


def velocity_target(clean: Tensor, noise: Tensor) -> Tensor:
    """What the model shall predict, `noise - clean`, `[B, N, C]`."""
    return noise - clean


def clean_from_velocity(noisy: Tensor, velocity: Tensor, timesteps: Tensor) -> Tensor:
    """Estimate of the clean tokens `[B, N, C]` from a prediction at per-token levels `[B, N]`."""
    return noisy - timesteps.to(noisy)[..., None] * velocity
