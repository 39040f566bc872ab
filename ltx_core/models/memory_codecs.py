"""Bytes beside the weights while captions and clips are encoded and decoded. No torch.

Design choices
- A video autoencoder's peak is a number of its largest tensor: a residual block's input, the normed copy, the
  padded one, what the convolution gives. Measured on both families, encoding and decoding.
- A text encoder hands out all its hidden states, which are stacked and normed: most of it are those copies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COPIES = 6
"""Largest tensors of an autoencoder that are there at a time."""
COLOURS = 3
STATE_COPIES = {("layers", True): 7.5, ("layers", False): 5.25, ("tokens", True): 6.0, ("tokens", False): 4.0}
"""Copies of all hidden states by how they are normed (over a layer, or a token) and whether in 16 bits."""
FLOAT32 = 4


@dataclass(frozen=True)
class Clip:
    """Frames, height and width of pixels that are encoded or decoded at a time."""

    frames: int
    height: int
    width: int

    @property
    def pixels(self) -> int:
        """Their number over all frames."""
        return self.frames * self.height * self.width


def encode_bytes(config: Mapping[str, Any], clip: Clip, width: int) -> int:
    """Bytes of encoding pixels by a video autoencoder of this config in numbers of `width` bytes."""
    channels = int((config.get("block_out_channels") or (128,))[0])
    if "LTX2" in str(config.get("_class_name", "")):
        channels = int(config.get("latent_channels", 128))  # its first level is as wide as the latents
    return COPIES * _largest(config, clip, channels) * width + clip.pixels * COLOURS * FLOAT32


def decode_bytes(config: Mapping[str, Any], clip: Clip, width: int) -> int:
    """Bytes of decoding to pixels by a video autoencoder of this config in numbers of `width` bytes."""
    widths, factors = (
        config.get("decoder_block_out_channels") or (256,),
        config.get("upsample_factor") or (1,),
    )
    channels = -(-int(widths[0]) // int(factors[0]))
    return COPIES * _largest(config, clip, channels) * width + clip.pixels * COLOURS * FLOAT32


def sound_bytes(config: Mapping[str, Any], seconds: float) -> int:
    """Bytes of encoding or decoding sound: the spectrogram at the autoencoder's base width, float32."""
    rate = float(config.get("sample_rate", 16000)) / float(config.get("mel_hop_length", 160))
    bins, base = int(config.get("mel_bins") or 64), int(config.get("base_channels", 128))
    return round(COPIES * seconds * rate * bins * base * FLOAT32)


def text_bytes(config: Mapping[str, Any], tokens: int, width: int, projected: str = "") -> int:
    """Bytes of encoding a caption of so many tokens.

    Args:
        config: of the text encoder.
        tokens: of the caption.
        width: bytes of a number.
        projected: how the hidden states of all layers are normed (`layers`, `tokens`); "": only the last
            ones are taken.
    """
    text = config.get("text_config") or config
    hidden = int(text.get("hidden_size") or text.get("d_model") or 0)
    layers = int(text.get("num_hidden_layers") or text.get("num_layers") or 0)
    inner = int(text.get("intermediate_size") or text.get("d_ff") or 4 * hidden)
    heads = int(text.get("num_attention_heads") or text.get("num_heads") or 1)
    pass_ = tokens * (3 * inner + 8 * hidden) * width + tokens * tokens * heads * FLOAT32
    if not projected:
        return pass_
    states = tokens * hidden * (layers + 1) * width
    return max(states + pass_, round(states * STATE_COPIES[projected, width < FLOAT32]))


def _largest(config: Mapping[str, Any], clip: Clip, channels: int) -> int:
    """Numbers of the largest tensor: the level nearest to the pixels, or the patches themselves."""
    patch, patch_t = int(config.get("patch_size", 4)), int(config.get("patch_size_t", 1))
    places = math.ceil(clip.frames / patch_t) * (clip.height // patch) * (clip.width // patch)
    return places * max(channels, COLOURS * patch * patch * patch_t)
