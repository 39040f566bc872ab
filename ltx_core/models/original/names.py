"""Names of weights: the original layout of LTX-2 checkpoints and the libraries' (diffusers), both ways.

Every map is one to one over whole name components, so a file that is written is read back as it was. Sources:
the public checkpoints' key lists and diffusers' modules. The transformer's own names are in `names`.
"""

from __future__ import annotations

from collections.abc import Mapping

VAE_STATISTICS = {
    "per_channel_statistics.mean-of-means": "latents_mean",
    "per_channel_statistics.std-of-means": "latents_std",
}
"""Statistics of a VAE's latents; the video VAE's and the audio VAE's alike."""
IGNORED_STATISTICS = frozenset(
    f"per_channel_statistics.{name}" for name in ("channel", "mean-of-stds", "mean-of-stds_over_std-of-means")
)
"""Statistics that nothing uses."""
CONNECTORS = {
    "video_embeddings_connector": "video_connector",
    "audio_embeddings_connector": "audio_connector",
    "transformer_1d_blocks": "transformer_blocks",
    "q_norm": "norm_q",
    "k_norm": "norm_k",
}
PROJECTIONS = {
    "aggregate_embed": "text_proj_in",
    "video_aggregate_embed": "video_text_proj_in",
    "audio_aggregate_embed": "audio_text_proj_in",
}
VOCODER = {
    "conv_pre": "conv_in",
    "ups": "upsamplers",
    "resblocks": "resnets",
    "act_post": "act_out",
    "conv_post": "conv_out",
}
DECODER_LAST = {"last_time_embedder": "time_embedder", "last_scale_shift_table": "scale_shift_table"}
"""Of the video decoder's top level only: blocks have tables of the same name."""


def turned(names: Mapping[str, str]) -> dict[str, str]:
    """The same map the other way."""
    return {new: old for old, new in names.items()}


def mapped(name: str, names: Mapping[str, str]) -> str:
    """A dotted name with its components exchanged."""
    return ".".join(names.get(part, part) for part in name.split("."))


def vae_name(original: str, last: int) -> str:
    """diffusers' name of a video VAE's weight.

    Args:
        original: its name without `vae.`.
        last: index of the encoder's last block, which is diffusers' middle one.
    """
    if original in VAE_STATISTICS:
        return VAE_STATISTICS[original]
    side, kind, *rest = original.split(".")
    if kind == "down_blocks":
        index = int(rest.pop(0))
        inner = ["downsamplers", "0"] if index % 2 else []
        block = ["mid_block"] if index == last else ["down_blocks", str(index // 2), *inner]
    elif kind == "up_blocks":
        index = int(rest.pop(0))
        inner = ["upsamplers", "0"] if index % 2 else []
        block = ["mid_block"] if index == 0 else ["up_blocks", str((index - 1) // 2), *inner]
    else:
        block = [DECODER_LAST.get(kind, kind)]
    return ".".join([side, *block, *("resnets" if part == "res_blocks" else part for part in rest)])


def original_vae_name(name: str, last: int) -> str:
    """The inverse of `vae_name`."""
    statistics = turned(VAE_STATISTICS)
    if name in statistics:
        return statistics[name]
    side, kind, *rest = name.split(".")
    if kind == "mid_block":
        block = ["down_blocks", str(last)] if side == "encoder" else ["up_blocks", "0"]
    elif kind in ("down_blocks", "up_blocks"):
        index = 2 * int(rest.pop(0))
        sampler = rest[0] in ("downsamplers", "upsamplers")
        rest = rest[2:] if sampler else rest
        step = 1 if sampler else 2 * (kind == "up_blocks")
        block = [kind, str(index + step)]
    else:
        block = [turned(DECODER_LAST).get(kind, kind)]
    return ".".join([side, *block, *("res_blocks" if part == "resnets" else part for part in rest)])


def audio_vae_name(original: str) -> str:
    """diffusers' name of an audio VAE's weight, of its name without `audio_vae.`."""
    return VAE_STATISTICS.get(original, original)


def original_audio_vae_name(name: str) -> str:
    """The inverse of `audio_vae_name`."""
    return turned(VAE_STATISTICS).get(name, name)


def vocoder_name(original: str) -> str:
    """diffusers' name of a vocoder's weight, of its name without `vocoder.`."""
    return mapped(original, VOCODER).replace(".downsample.lowpass.filter", ".downsample.filter")


def original_vocoder_name(name: str) -> str:
    """The inverse of `vocoder_name`."""
    return mapped(name, turned(VOCODER)).replace(".downsample.filter", ".downsample.lowpass.filter")
