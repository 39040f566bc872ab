"""The loss of one modality: squared error over the tokens that are generated."""

from __future__ import annotations

from torch import Tensor


def masked_mse(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Squared error summed over loss tokens and channels, over (number of loss tokens * C).

    Args:
        prediction: `[B, N, C]`.
        target: `[B, N, C]`.
        mask: `[B, N]` bool, the loss tokens.

    Returns:
        `[B]` float32; 0 for a sample without a loss token.
    """
    weights = mask.to(prediction.dtype).float()
    squared = (prediction.float() - target.float()).square().sum(-1) * weights
    count = weights.sum(-1) * prediction.shape[-1]
    return squared.sum(-1) / count.clamp(min=1)
