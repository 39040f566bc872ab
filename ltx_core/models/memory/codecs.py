"""Bytes beside the weights while captions and sound are encoded. No torch. (Video: `tiling/memory.py`.)

Design choices
- LTX-2 takes all hidden states of its text encoder, stacked and normed: most of it are those copies.
- An audio autoencoder's peak is a number of its largest tensor: spectrograms are small.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COPIES = 6
"""Largest tensors of an autoencoder that are there at a time."""
STATE_COPIES = {
    ("layers", True): 7.5,
    ("layers", False): 5.25,
    ("tokens", True): 4.25,
    ("tokens", False): 4.0,
}
"""Copies of all hidden states by how they are normed (over a layer, or a token) and whether in 16 bits."""
FLOAT32 = 4


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
