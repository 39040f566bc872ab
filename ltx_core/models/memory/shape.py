"""What of a transformer's config decides how many numbers a block keeps and how much it computes. No torch.

One description serves LTX-2 (one or two streams) and LTX-Video (video alone), and every version of both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

LTX_VIDEO_HEADS, LTX2_HEADS = 32, 32
FEED_FORWARD = 4
"""Width of the feed-forward as a multiple of the stream's (diffusers' default, which both families keep)."""


@dataclass(frozen=True)
class StreamShape:
    """One modality's layers in a block.

    Attributes:
        prefix: of its modules' names, `""` or `audio_`.
        width: of its hidden states.
        heads: of its self and text attention.
        inner: width of their queries, keys and values.
        text_width: of the context that its text attention reads.
        mods: modulations of a block, `[mods, width]` per noise level.
        prompt: whether the text is modulated in every block.
        gated: whether attention outputs are gated per head.
        text_norm: whether the text attention's input is normed (LTX-Video's is not).
    """

    prefix: str
    width: int
    heads: int
    inner: int
    text_width: int
    mods: int = 6
    prompt: bool = False
    gated: bool = False
    text_norm: bool = True


@dataclass(frozen=True)
class TransformerShape:
    """A transformer of either family.

    Attributes:
        blocks: their number.
        video, audio: the streams that run.
        cross_heads, cross_inner: of the audio-video attentions; 0 where one stream runs alone.
        split_rope: LTX-2's way to turn queries and keys, which keeps numbers of its own; else interleaved.
        caption_width: of the text that the transformer projects itself; 0 where it takes it as it is.
        channels: of a video token, and `audio_channels` of an audio token.
    """

    blocks: int
    video: StreamShape | None
    audio: StreamShape | None
    cross_heads: int
    cross_inner: int
    split_rope: bool
    caption_width: int
    channels: int
    audio_channels: int

    @property
    def streams(self) -> tuple[StreamShape, ...]:
        """Those that run, video first."""
        return tuple(stream for stream in (self.video, self.audio) if stream is not None)


def transformer_shape(config: Mapping[str, Any], modalities: Collection[str]) -> TransformerShape:
    """The shape of a diffusers config (LTX-2 or LTX-Video; absent fields have the library's defaults).

    Args:
        config: `config.json` of the transformer.
        modalities: streams that run.
    """
    if config.get("_class_name", "").startswith("LTXVideo"):
        return _ltx_video(config)
    return _ltx2(config, modalities)


def _ltx_video(config: Mapping[str, Any]) -> TransformerShape:
    heads = int(config.get("num_attention_heads", LTX_VIDEO_HEADS))
    width = heads * int(config.get("attention_head_dim", 64))
    text = int(config.get("cross_attention_dim", 2048))
    channels = int(config.get("in_channels", 128))
    return TransformerShape(
        blocks=int(config.get("num_layers", 28)),
        video=StreamShape("", width, heads, width, text, text_norm=False),
        audio=None,
        cross_heads=0,
        cross_inner=0,
        split_rope=False,
        caption_width=int(config.get("caption_channels", 4096)),
        channels=channels,
        audio_channels=0,
    )


def _ltx2(config: Mapping[str, Any], modalities: Collection[str]) -> TransformerShape:
    streams = {name: _ltx2_stream(config, name) for name in ("video", "audio") if name in modalities}
    joint = len(streams) == 2
    heads, size = _audio_heads(config)
    projects = bool(config.get("use_prompt_embeddings", True))
    return TransformerShape(
        blocks=int(config.get("num_layers", 48)),
        video=streams.get("video"),
        audio=streams.get("audio"),
        cross_heads=heads if joint else 0,
        cross_inner=heads * size if joint else 0,
        split_rope=config.get("rope_type", "interleaved") == "split",
        caption_width=int(config.get("caption_channels", 3840)) if projects else 0,
        channels=int(config.get("in_channels", 128)),
        audio_channels=int(config.get("audio_in_channels", 128)),
    )


def _ltx2_stream(config: Mapping[str, Any], modality: str) -> StreamShape:
    audio = modality == "audio"
    prefix = "audio_" if audio else ""
    heads = int(config.get("num_attention_heads", LTX2_HEADS))
    width = heads * int(config.get("attention_head_dim", 128))
    if audio:
        heads, size = _audio_heads(config)
        width = heads * size
    # Modulated text attention of either stream modulates the text of both.
    modulated = bool(config.get(f"{prefix}cross_attn_mod", False))
    prompt = bool(config.get("cross_attn_mod", False) or config.get("audio_cross_attn_mod", False))
    return StreamShape(
        prefix=prefix,
        width=width,
        heads=heads,
        inner=width,
        text_width=int(config.get(f"{prefix}cross_attention_dim", width)),
        mods=9 if modulated else 6,
        prompt=prompt,
        gated=bool(config.get(f"{prefix}gated_attn", False)),
    )


def _audio_heads(config: Mapping[str, Any]) -> tuple[int, int]:
    """Heads of the audio stream, and the width of one."""
    return int(config.get("audio_num_attention_heads", 32)), int(config.get("audio_attention_head_dim", 64))
