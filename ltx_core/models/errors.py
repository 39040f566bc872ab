"""What is wrong with a model, and what to do about it."""

from __future__ import annotations

from ltx_core.errors import LtxError

GET_ONE = "Get a complete LTX-2 or LTX-Video model, or set model.model_path to one."
TRAIN_AGAIN = "Train it again, or give another one."
"""Advice on a damaged model, and on a damaged product of a training."""


class ModelError(LtxError):
    """A model, or a LoRA file, is missing, incomplete or not one that this project can use."""
