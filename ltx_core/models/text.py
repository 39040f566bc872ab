"""Captions to features and features to contexts.

Design choices
- The encoder runs on the caption's own tokens, without padding, head or vision tower: the features of valid
  tokens are the same as of the padded run (`tests/golden/test_text.py`) at a fraction of the work.
- Stored are the projected features before the connectors; the connectors, which are frozen, fill the tail
  with their registers up to the model's context length when a batch is made. Their length is part of the
  result, so it is always the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class TextFeatures:
    """A caption as the model reads it.

    Attributes:
        tensors: `video` `[S, D]` and, only where it differs, `audio` `[S, D]`; S valid tokens, float32.
        dropped: tokens beyond the model's limit, which it does not see.
    """

    tensors: dict[str, Tensor]
    dropped: int


class Captioned(Protocol):
    """What makes features of captions: a tokenizer and a text encoder."""

    def encode(self, caption: str) -> TextFeatures:
        """Features of one caption; of "" the unconditional ones."""
        ...


class Contexter(Protocol):
    """What makes the transformer's text contexts of stored features."""

    def context(self, features: Sequence[Mapping[str, Tensor]], modality: str) -> Tensor:
        """The context `[B, S, D]` of one modality."""
        ...


@dataclass(frozen=True)
class TextCodec:
    """Tokenizer, language model and feature projections.

    Attributes:
        tokenizer: of transformers.
        encoder: the bare language model; its hidden states are taken.
        projections: `LTX2TextConnectors`; only its projections are used.
        limit: tokens that the model reads.
    """

    tokenizer: Any
    encoder: Any
    projections: Any
    limit: int

    def tokens(self, caption: str) -> tuple[list[int], int]:
        """Token ids with the begin mark first, at most `limit`, and how many were dropped."""
        ids: list[int] = self.tokenizer(
            caption.strip(), padding=False, truncation=False, add_special_tokens=True, verbose=False
        )["input_ids"]
        begin = self.tokenizer.bos_token_id
        if begin is not None and ids[:1] != [begin]:
            ids = [begin, *ids]
        return ids[: self.limit], max(0, len(ids) - self.limit)

    @torch.no_grad()
    def encode(self, caption: str) -> TextFeatures:
        """Features of one caption; "" gives the begin mark's alone (unconditional)."""
        ids, dropped = self.tokens(caption)
        given = torch.tensor([ids], device=self.encoder.device)
        states = self.encoder(input_ids=given, output_hidden_states=True, use_cache=False).hidden_states
        features = project(self.projections, torch.stack(states, -1))
        return TextFeatures({name: value[0].float() for name, value in features.items()}, dropped)


@torch.no_grad()
def project(connectors: Any, states: Tensor) -> dict[str, Tensor]:
    """Projected features `[B, S, D]` of hidden states `[B, S, D, L]`, all of whose tokens are valid."""
    from diffusers.pipelines.ltx2.connectors import per_layer_masked_mean_norm, per_token_rms_norm

    config = connectors.config
    if not config.per_modality_projections:
        lengths = torch.full((len(states),), states.shape[1], device=states.device)
        packed = per_layer_masked_mean_norm(states, lengths, states.device)
        return {"video": connectors.text_proj_in(packed.to(connectors.dtype))}
    packed = per_token_rms_norm(states).flatten(2).to(connectors.dtype)
    result = {}
    for modality, width in (("video", config.video_hidden_dim), ("audio", config.audio_hidden_dim)):
        projection = getattr(connectors, f"{modality}_text_proj_in")
        result[modality] = projection(packed * math.sqrt(width / config.caption_channels))
    return result


@dataclass(frozen=True)
class Connectors:
    """The frozen connectors, which make the transformer's text contexts of features.

    Attributes:
        module: `LTX2TextConnectors`; its projections are not needed.
        length: tokens of every context.
    """

    module: Any
    length: int

    def contexts(self, features: Sequence[Mapping[str, Tensor]]) -> tuple[Tensor, Tensor]:
        """Contexts of a batch for video `[B, S, Dv]` and audio `[B, S, Da]`; all tokens are valid."""
        return self.context(features, "video"), self.context(features, "audio")

    @torch.no_grad()
    def context(self, features: Sequence[Mapping[str, Tensor]], modality: str) -> Tensor:
        """The context `[B, S, D]` of one modality.

        Raises:
            ValueError: when a caption has more tokens than the context.
        """
        given = [found.get(modality, found["video"]) for found in features]
        longest = max(len(tokens) for tokens in given)
        if longest > self.length:
            raise ValueError(
                f"a caption has {longest} tokens of features; this model's context holds {self.length}. "
                f"Encode the captions with this model."
            )
        device, dtype = self.module.device, self.module.dtype
        padded = torch.zeros(len(given), self.length, given[0].shape[-1], device=device, dtype=dtype)
        bias = torch.full((len(given), 1, 1, self.length), torch.finfo(dtype).min, device=device, dtype=dtype)
        for index, tokens in enumerate(given):
            padded[index, : len(tokens)] = tokens.to(device, dtype)
            bias[index, ..., : len(tokens)] = 0
        result: Tensor = getattr(self.module, f"{modality}_connector")(padded, bias)[0]
        return result
