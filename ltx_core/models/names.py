"""Names of the transformer's modules: the original LTX-2 layout (ComfyUI, LoRA files) and diffusers'.

The map is one to one over whole name components, so both directions are exact. Sources: the public key
list of the LTX-2 checkpoints and diffusers' converters.
"""

from __future__ import annotations

from collections.abc import Collection

ORIGINAL_TO_DIFFUSERS = {
    "patchify_proj": "proj_in",
    "audio_patchify_proj": "audio_proj_in",
    "adaln_single": "time_embed",
    "audio_adaln_single": "audio_time_embed",
    "prompt_adaln_single": "prompt_adaln",
    "audio_prompt_adaln_single": "audio_prompt_adaln",
    "av_ca_video_scale_shift_adaln_single": "av_cross_attn_video_scale_shift",
    "av_ca_audio_scale_shift_adaln_single": "av_cross_attn_audio_scale_shift",
    "av_ca_a2v_gate_adaln_single": "av_cross_attn_video_a2v_gate",
    "av_ca_v2a_gate_adaln_single": "av_cross_attn_audio_v2a_gate",
    "scale_shift_table_a2v_ca_video": "video_a2v_cross_attn_scale_shift_table",
    "scale_shift_table_a2v_ca_audio": "audio_a2v_cross_attn_scale_shift_table",
    "q_norm": "norm_q",
    "k_norm": "norm_k",
}
"""Components of a name that differ; every other component is the same in both layouts."""

DIFFUSERS_TO_ORIGINAL = {new: old for old, new in ORIGINAL_TO_DIFFUSERS.items()}
"""The same map the other way."""

CROSS = frozenset(
    (
        "audio_to_video_attn",
        "video_to_audio_attn",
        "audio_to_video_norm",
        "video_to_audio_norm",
        "av_cross_attn_video_scale_shift",
        "av_cross_attn_audio_scale_shift",
        "av_cross_attn_video_a2v_gate",
        "av_cross_attn_audio_v2a_gate",
        "video_a2v_cross_attn_scale_shift_table",
        "audio_a2v_cross_attn_scale_shift_table",
        "cross_attn_rope",
        "cross_attn_audio_rope",
    )
)
"""Components of the names of modules that serve the audio-video attentions."""

CROSS_OF_AUDIO = frozenset(
    (
        "video_to_audio_attn",
        "video_to_audio_norm",
        "av_cross_attn_audio_scale_shift",
        "av_cross_attn_audio_v2a_gate",
        "audio_a2v_cross_attn_scale_shift_table",
    )
)
"""Those of them that change the audio's states, or say how these take part; the others are the video's."""

ADAPTERS = (".lora_", ".lokr_")
"""In the names of parameters that belong to an adapter, in a model and in a file."""

BOTH = ("video", "audio")


def to_diffusers(name: str) -> str:
    """The diffusers name of a parameter or module in the original layout (without prefix)."""
    return ".".join(ORIGINAL_TO_DIFFUSERS.get(part, part) for part in name.split("."))


def to_original(name: str) -> str:
    """The original name of a parameter or module of diffusers' transformer."""
    return ".".join(DIFFUSERS_TO_ORIGINAL.get(part, part) for part in name.split("."))


def modality_of(name: str) -> str:
    """Which stream a module of diffusers' transformer serves: `video`, `audio` or `cross`.

    `cross` modules run only when both streams are there.
    """
    parts = name.split(".")
    if any(part in CROSS for part in parts):
        return "cross"
    return "audio" if any(part.startswith("audio_") for part in parts) else "video"


def runs_with(name: str, modalities: Collection[str]) -> bool:
    """Whether a module or parameter of diffusers' transformer takes part when these streams are there."""
    served = modality_of(name)
    return set(BOTH) <= set(modalities) if served == "cross" else served in modalities


def owner_of(name: str) -> str:
    """The modality that freezing counts a module or parameter to: `video` or `audio`.

    An audio-video attention is its that receives: `audio_to_video_attn` changes what the video becomes.
    """
    served = modality_of(name)
    if served != "cross":
        return served
    return "audio" if CROSS_OF_AUDIO & set(name.split(".")) else "video"


def learns(name: str, modalities: Collection[str], frozen: Collection[str] = ()) -> bool:
    """Whether a module or parameter may learn when these streams are there and those are frozen."""
    return runs_with(name, modalities) and owner_of(name) not in frozen


def is_adapter(name: str) -> bool:
    """Whether a parameter's name, or a file's key, is that of an adapter."""
    return any(mark in name for mark in ADAPTERS)
