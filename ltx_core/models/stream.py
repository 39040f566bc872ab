"""One modality's input to the transformer, from a track or put together by hand."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ltx_core.diffusion.track import Track


@dataclass(frozen=True)
class Stream:
    """One modality's input to the transformer.

    Attributes:
        tokens: `[B, N, C]`.
        timesteps: `[B, N]` noise level of each token in [0, 1], float32 (`[B, 1]`: one for all).
        sigma: `[B]` noise level of the modality, float32; 0 for a given one.
        positions: `[B, D, N, 2]` float32.
        context: `[B, S, K]` text context of this modality.
        context_mask: `[B, S]`, 1 for valid tokens; None when all are.
        marker: `[B, N]` bool, tokens of the target's first latent frame; used by checkpoints with a
            keyframe marker, ignored by the others.
        present: `[B]` bool; where False the other stream takes nothing from this one (a silent clip).
    """

    tokens: Tensor
    timesteps: Tensor
    sigma: Tensor
    positions: Tensor
    context: Tensor
    context_mask: Tensor | None = None
    marker: Tensor | None = None
    present: Tensor | None = None

    @classmethod
    def of(cls, track: Track, tokens: Tensor, timesteps: Tensor, level: Tensor, context: Tensor) -> Stream:
        """The stream of a track whose noisy `tokens` and `timesteps` were made at `level` `[B]`.

        Where all tokens of a sample have one level, it is given once: the modulation is then computed once.
        """
        return cls(
            tokens=tokens,
            timesteps=timesteps[:, :1] if track.one_level else timesteps,
            sigma=level if track.generated else level.new_zeros(level.shape),
            positions=track.positions,
            context=context,
            marker=first_frame_marker(track),
            present=track.present,
        )


def first_frame_marker(track: Track) -> Tensor:
    """`[B, N]` bool: target tokens of the first latent frame; attached tokens never."""
    starts = track.positions[:, 0, :, 0]
    return track.target & (starts == starts[:, track.attached : track.attached + 1])
