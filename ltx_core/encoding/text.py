"""A caption as features of its own tokens."""

from __future__ import annotations

from torch import Tensor

from ltx_core.encoding.storage import StorageType, stored
from ltx_core.models.text import Captioned


def encode_text(
    codec: Captioned, caption: str, dtype: StorageType = "float32"
) -> tuple[dict[str, Tensor], int]:
    """Features `[S, D]` by modality (`audio` only where it differs), and the tokens that did not fit."""
    features = codec.encode(caption)
    return {name: stored(value, dtype) for name, value in features.tensors.items()}, features.dropped
