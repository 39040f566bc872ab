"""Captions to T5 features and features to contexts: the text side of LTX-Video.

Design choices
- The encoder runs on the caption's own tokens, without padding: the features are those of a padded run whose
  padding is masked (`tests/unit/models/test_ltxv_text.py`).
- Nothing lies between the features and the transformer: a context is the features and, up to the model's
  length, rows of zeros. The transformer takes such a row for padding (`ltxv/forward.py`).
- Published folders hold T5's tokenizer as SentencePiece's own file. transformers reads that with a further
  package, though the file needs none: its pieces are given to the same tokenizer here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from ltx_core.models.component import Component, Stored
from ltx_core.models.errors import GET_ONE, ModelError
from ltx_core.models.loading import first_line, load_component, load_tokenizer, quiet
from ltx_core.models.quantise.layers import Quantiser
from ltx_core.models.text import TextFeatures

EMBEDDING = "embed_tokens.weight"
"""T5's table of tokens as its encoder calls it; files hold it as `shared.weight`, some under both names."""
WHOLE_TOKENIZER, PIECES = "tokenizer.json", "spiece.model"
"""Files of a tokenizer: what transformers writes today, and SentencePiece's."""
EXTRA_IDS = 100
"""Marks behind the pieces of a T5 tokenizer whose config states no number."""


@dataclass(frozen=True)
class T5Codec:
    """Tokenizer and T5 encoder.

    Attributes:
        tokenizer: of transformers.
        encoder: T5's encoder; its last hidden states, normed, are the features.
        limit: tokens that the model reads, the end mark among them.
    """

    tokenizer: Any
    encoder: Any
    limit: int

    def tokens(self, caption: str) -> tuple[list[int], int]:
        """Token ids with the end mark last, at most `limit`, and how many were dropped."""
        ids: list[int] = self.tokenizer(
            caption.strip(), padding=False, truncation=False, add_special_tokens=True, verbose=False
        )["input_ids"]
        if len(ids) <= self.limit:
            return ids, 0
        return [*ids[: self.limit - 1], ids[-1]], len(ids) - self.limit

    @torch.no_grad()
    def encode(self, caption: str) -> TextFeatures:
        """Features of one caption; "" gives the end mark's alone (unconditional)."""
        ids, dropped = self.tokens(caption)
        states = self.encoder(input_ids=torch.tensor([ids], device=self.encoder.device)).last_hidden_state
        return TextFeatures({"video": states[0].float()}, dropped)


@dataclass(frozen=True)
class Padding:
    """What makes contexts of features: rows of zeros up to the model's length.

    Attributes:
        length: tokens of every context.
        device: where contexts lie.
        dtype: of contexts.
    """

    length: int
    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float32

    def context(self, features: Sequence[Mapping[str, Tensor]], modality: str) -> Tensor:
        """The context `[B, S, D]` of one modality, which is video.

        Raises:
            ValueError: for another modality, or when a caption has more tokens than the context.
        """
        if modality != "video":
            raise ValueError(f"LTX-Video has no {modality}; use a model of the LTX-2 family")
        given = [found["video"] for found in features]
        longest = max(len(tokens) for tokens in given)
        if longest > self.length:
            raise ValueError(
                f"a caption has {longest} tokens of features; this model's context holds {self.length}. "
                f"Encode the captions with this model."
            )
        padded = torch.zeros(
            len(given), self.length, given[0].shape[-1], device=self.device, dtype=self.dtype
        )
        for index, tokens in enumerate(given):
            padded[index, : len(tokens)] = tokens.to(padded)
        return padded


def load_t5(
    component: Component,
    device: torch.device | str,
    dtype: torch.dtype,
    quantiser: Quantiser | None = None,
) -> Any:
    """The encoder of a T5 text encoder as a frozen module.

    Raises:
        ModelError: when it is damaged or no T5.
    """
    kind = component.config.get("model_type")
    if kind != "t5":
        raise ModelError(
            f"{component.place} is a {kind!r} text encoder; LTX-Video reads captions by T5 v1.1 XXL ('t5'). "
            f"{GET_ONE}"
        )

    def build() -> nn.Module:
        from transformers import T5Config, T5EncoderModel

        found: nn.Module = T5EncoderModel(T5Config.from_dict(component.config)).encoder
        return found

    named = replace(component, list_weights=lambda: encoder_weights(component.weights))
    return load_component(named, build, device, dtype, quantiser=quantiser)


def load_t5_tokenizer(component: Component) -> Any:
    """T5's tokenizer, of either kind of file.

    Raises:
        ModelError: when it is damaged.
    """
    with component.folder() as folder:
        file = folder / PIECES
        if (folder / WHOLE_TOKENIZER).is_file() or not file.is_file():
            return load_tokenizer(component)
        data = file.read_bytes()
    from transformers import T5Tokenizer
    from transformers.convert_slow_tokenizer import import_protobuf

    proto = import_protobuf().ModelProto()
    try:
        proto.ParseFromString(data)
    except import_module("google.protobuf.message").DecodeError as error:
        raise ModelError(f"{component.place}/{PIECES} is damaged ({first_line(error)}). {GET_ONE}") from error
    extra = int(component.config.get("extra_ids", EXTRA_IDS))
    vocabulary = [(piece.piece, piece.score) for piece in proto.pieces]
    vocabulary += [(f"<extra_id_{number}>", 0.0) for number in reversed(range(extra))]
    with quiet():
        return T5Tokenizer(
            vocab=vocabulary,
            extra_ids=extra,
            _spm_precompiled_charsmap=proto.normalizer_spec.precompiled_charsmap or None,
        )


def encoder_weights(weights: Mapping[str, Stored]) -> dict[str, Stored]:
    """A T5's weights by the names of its bare encoder; a decoder's and a head's are left out."""
    prefix = "encoder."
    found = {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}
    if EMBEDDING not in found and "shared.weight" in weights:
        found[EMBEDDING] = weights["shared.weight"]
    return found
