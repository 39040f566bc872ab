"""Methods of quantisation: their names, the layers that they leave alone, their bytes. No torch here.

Design choices
- What stays exact: everything outside the blocks of a transformer (it is small, and every token or level goes
  through it), norms, and the gates' one number per head. Within a block the layers of both streams and the
  attentions between them are quantised: they are what the bytes are in.
- Names of the public trainers' library mean our own methods of the same width.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Literal

Method = Literal["int8", "fp8", "int4", "nf4"]
Quantization = Literal[
    "int8", "fp8", "int4", "nf4", "int8-quanto", "fp8-quanto", "int4-quanto", "int2-quanto", "fp8uz-quanto"
]
"""What a config may say; `int2-quanto` is read and refused by the preflight."""
TextQuantization = Literal["int8", "nf4"]

METHODS: Mapping[str, Method] = {
    "int8": "int8",
    "fp8": "fp8",
    "int4": "int4",
    "nf4": "nf4",
    "int8-quanto": "int8",
    "fp8-quanto": "fp8",
    "fp8uz-quanto": "fp8",
    "int4-quanto": "int4",
}
"""The method that runs for each name; a name that is absent has none."""

GROUP = 64
"""Weights of a row that share a scale in the 4-bit methods."""

SKIP_TRANSFORMER = (
    "proj_in",
    "proj_out",
    "audio_*",
    "time_embed*",
    "av_cross_attn_*",
    "prompt_adaln*",
    "caption_projection*",
    "*norm*",
    "*to_gate_logits",
)
"""Whole names of a transformer's layers that stay exact, LTX-2's and LTX-Video's."""
SKIP_TEXT = (
    "*lm_head",
    "*embed*",
    "*shared",
    "*relative_attention_bias",
    "*norm*",
    "*vision*",
    "*projector*",
    "*per_layer*",
    "*router*",
)
"""The same for a text encoder: tables of tokens, heads, and what is small and steers."""


def skipped(name: str, skip: tuple[str, ...]) -> bool:
    """Whether a layer's whole name matches one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in skip)


def stored_bytes(method: Method, rows: int, columns: int) -> int:
    """Bytes of a quantised weight `[rows, columns]`, its scales among them, without the bias."""
    if method in ("int8", "fp8"):
        return rows * columns + 4 * rows
    groups = -(-columns // GROUP)
    # Half a byte per number, and per group two scales of 16 bits or one of 32; nf4 has a table of 2 KiB.
    return rows * groups * (GROUP // 2 + 4) + (2048 if method == "nf4" else 0)
