"""Configs of the video VAE and the diffusion decoder: the original's lists of blocks to diffusers'.

The original lists blocks one by one, residual ones and samplers in turn; diffusers groups each sampler with
the residual blocks on its finer side. A list that has no such form is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ltx_core.models.errors import ModelError
from ltx_core.models.original.configs import expect

KINDS = {"compress_space": "spatial", "compress_time": "temporal", "compress_all": "spatiotemporal"}
"""What a sampler halves or doubles -> diffusers' word."""
RES = "res_x"


@dataclass(frozen=True)
class Blocks:
    """A list of blocks, samplers and residual ones apart, in the list's order.

    Attributes:
        layers: of each group of residual blocks; one more than samplers.
        noise: whether each group injects noise.
        kinds: of each sampler, in diffusers' words.
        factors: of each sampler: by how much it changes the channels.
        residual: whether each sampler has a shortcut.
    """

    layers: tuple[int, ...]
    noise: tuple[bool, ...]
    kinds: tuple[str, ...]
    factors: tuple[int, ...]
    residual: tuple[bool, ...]

    @property
    def scale(self) -> tuple[int, int]:
        """Factors of time and of space."""
        return (
            2 ** sum(kind != "spatial" for kind in self.kinds),
            2 ** sum(kind != "temporal" for kind in self.kinds),
        )


def vae_scale(config: Mapping[str, Any]) -> tuple[int, int, int]:
    """Pixels per latent along time, height, width."""
    encoder = encoder_section(config)
    time, space = _encoder_blocks(encoder).scale
    space *= int(encoder.get("patch_size", 4))
    return time, space, space


def vae_last(config: Mapping[str, Any]) -> int:
    """Index of the encoder's last block in the original's list."""
    return len(encoder_section(config)["encoder_blocks"]) - 1


def encoder_section(config: Mapping[str, Any]) -> dict[str, Any]:
    """The encoder's settings under the flat names, whether they lie flat or in a section of their own.

    Raises:
        ModelError: when there is no list of blocks.
    """
    inner = config.get("encoder") or {}
    found = {
        **config,
        **inner,
        "latent_channels": inner.get("out_channels", config.get("latent_channels", 128)),
    }
    if "blocks" in inner:
        found["encoder_blocks"] = inner["blocks"]
        found["encoder_base_channels"] = inner.get("base_channels", found["latent_channels"])
    if not found.get("encoder_blocks"):
        raise ModelError(
            "the checkpoint's vae has no list of encoder_blocks in its header's config; a VAE of LTX-2 has "
            "one. Get the file again, or one of LTX-2"
        )
    return found


def vae_config(config: Mapping[str, Any], noise_level: bool = False) -> dict[str, Any]:
    """diffusers' config of `AutoencoderKLLTX2Video`.

    Args:
        config: the section `vae` of the checkpoint. Without decoder blocks (a diffusion VAE's) only the
            encoder has weights, and the decoder's sizes are diffusers' defaults.
        noise_level: whether the file has weights for the decoder's noise level, where the config is silent.

    Raises:
        ModelError: for a setting that diffusers' class has not.
    """
    encoder = encoder_section(config)
    expect("vae", encoder, dims=3, norm_layer="pixel_norm", latent_log_var=("uniform", "constant"))
    expect("vae", config, use_quant_conv=False, normalize_latent_channels=False)
    blocks, latent = _encoder_blocks(encoder), int(encoder["latent_channels"])
    base = int(encoder.get("encoder_base_channels", latent))
    if base != latent:
        raise ModelError(
            f"the checkpoint's vae begins with {base} channels and ends with {latent}; only an equal number "
            "can be used. It may be newer than this program"
        )
    widths = [base]
    for factor in blocks.factors:
        widths.append(widths[-1] * factor)
    time, space = blocks.scale
    patch = int(encoder.get("patch_size", 4))
    return {
        "_class_name": "AutoencoderKLLTX2Video",
        "in_channels": encoder.get("in_channels", 3),
        "out_channels": 3,
        "latent_channels": latent,
        "block_out_channels": widths[1:],
        "down_block_types": ["LTX2VideoDownBlock3D"] * len(blocks.kinds),
        "layers_per_block": list(blocks.layers),
        "spatio_temporal_scaling": [True] * len(blocks.kinds),
        "downsample_type": list(blocks.kinds),
        "encoder_causal": True,
        "encoder_spatial_padding_mode": encoder.get(
            "spatial_padding_mode", encoder.get("encoder_spatial_padding_mode", "zeros")
        ),
        "patch_size": patch,
        "patch_size_t": 1,
        "resnet_norm_eps": 1e-6,
        "scaling_factor": config.get("scaling_factor", 1.0),
        "spatial_compression_ratio": patch * space,
        "temporal_compression_ratio": time,
        **_decoder_config(config, noise_level),
    }


def _decoder_config(config: Mapping[str, Any], noise_level: bool) -> dict[str, Any]:
    listed = config.get("decoder_blocks")
    if not listed:
        return {"timestep_conditioning": False, "decoder_causal": False}
    blocks = parsed_blocks("decoder_blocks", listed, "", 1)
    return {
        "decoder_block_out_channels": decoder_widths(int(config.get("decoder_base_channels", 128)), blocks),
        "decoder_layers_per_block": list(blocks.layers),
        "decoder_spatio_temporal_scaling": [True] * len(blocks.kinds),
        "decoder_inject_noise": list(blocks.noise),
        # Of all these lists this one alone is not turned round by the library.
        "upsample_type": list(reversed(blocks.kinds)),
        "upsample_residual": list(blocks.residual),
        "upsample_factor": list(blocks.factors),
        "timestep_conditioning": config.get("timestep_conditioning", noise_level),
        "decoder_causal": config.get("causal_decoder", False),
        "decoder_spatial_padding_mode": config.get(
            "spatial_padding_mode", config.get("decoder_spatial_padding_mode", "reflect")
        ),
    }


def decoder_widths(base: int, blocks: Blocks) -> list[int]:
    """Channels before each upsampler, in the list's order: from the finest, whose sampler runs last."""
    widths = []
    for factor in blocks.factors:
        base *= factor
        widths.append(base)
    return widths


def _encoder_blocks(encoder: Mapping[str, Any]) -> Blocks:
    return parsed_blocks("encoder_blocks", encoder["encoder_blocks"], "_res", 2)


def parsed_blocks(name: str, listed: Sequence[Any], suffix: str, factor: int) -> Blocks:
    """A list of blocks.

    Args:
        name: of the list, for messages.
        listed: pairs of a kind and its settings, or the number of layers.
        suffix: of the samplers' kinds.
        factor: of a sampler that states none.
    """
    pairs = [(kind, value if isinstance(value, Mapping) else {"num_layers": value}) for kind, value in listed]
    samplers = {f"{kind}{suffix}": word for kind, word in KINDS.items()}
    for index, (kind, _) in enumerate(pairs):
        known = (RES,) if index % 2 == 0 else tuple(samplers)
        if kind not in known or len(pairs) % 2 == 0:
            raise ModelError(
                f"the checkpoint's vae has {kind!r} at place {index} of {len(pairs)} {name}; {RES} and one "
                f"of {', '.join(samplers)} in turn, beginning and ending with {RES}, can be used. It is of "
                "another family, or newer than this program"
            )
    groups, between = pairs[::2], pairs[1::2]
    return Blocks(
        layers=tuple(int(value.get("num_layers", 1)) for _, value in groups),
        noise=tuple(bool(value.get("inject_noise", False)) for _, value in groups),
        kinds=tuple(samplers[kind] for kind, _ in between),
        factors=tuple(int(value.get("multiplier", factor)) for _, value in between),
        residual=tuple(bool(value.get("residual", False)) for _, value in between),
    )
