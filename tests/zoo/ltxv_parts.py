"""Parts of tiny LTX-Video models, 0.9.0 to 0.9.8: configs of the real ones, in small sizes.

Sources: the configs of diffusers' converter and of the published folders. As in the real ones, the 13B
versions have 48 blocks; those of 2B have 2 here and heads of 64.
"""

from __future__ import annotations

from typing import Any

from zoo import words

VERSIONS = ("0.9.0", "0.9.1", "0.9.5", "0.9.6", "0.9.7", "0.9.8")
LARGE = ("0.9.7", "0.9.8")
LATER = ("0.9.5", "0.9.6", *LARGE)
"""Versions with the causal position of the first frame; the library's pipeline is the one with conditions."""
VIDEO_CHANNELS, HEADS = 16, 2


def parts(version: str) -> dict[str, Any]:
    """The modules and the tokenizer of a version, by the names that `LTXPipeline` gives them."""
    tokenizer = words.t5_tokenizer(128)
    return {
        "transformer": transformer(version),
        "vae": video_vae(version),
        "text_encoder": words.t5(len(tokenizer)),
        "tokenizer": tokenizer,
        "scheduler": scheduler(version),
    }


def transformer(version: str) -> Any:
    """13B is told from 2B by its number of blocks."""
    from diffusers import LTXVideoTransformer3DModel

    blocks, head = (48, 16) if version in LARGE else (2, 64)
    return LTXVideoTransformer3DModel(
        in_channels=VIDEO_CHANNELS,
        out_channels=VIDEO_CHANNELS,
        num_attention_heads=HEADS,
        attention_head_dim=head,
        cross_attention_dim=HEADS * head,
        num_layers=blocks,
        caption_channels=words.T5_WIDTH,
    )


def video_vae(version: str) -> Any:
    """8 x 32 x 32 pixels to 16 channels, in the version's structure."""
    from diffusers import AutoencoderKLLTXVideo

    return AutoencoderKLLTXVideo(latent_channels=VIDEO_CHANNELS, **_vae_structure(version))


def _vae_structure(version: str) -> dict[str, Any]:
    base = 8
    old = (base, 2 * base, 4 * base, 4 * base)
    if version == "0.9.0":
        return {
            "block_out_channels": old,
            "decoder_block_out_channels": old,
            "layers_per_block": (1, 1, 1, 1, 1),
            "decoder_layers_per_block": (1, 1, 1, 1, 1),
        }
    decoder: dict[str, Any] = {
        "decoder_block_out_channels": (2 * base, 4 * base, 8 * base),
        "decoder_layers_per_block": (1, 1, 1, 1),
        "decoder_spatio_temporal_scaling": (True, True, True),
        "decoder_inject_noise": (False, False, False, False),
        "upsample_residual": (True, True, True),
        "upsample_factor": (2, 2, 2),
        "timestep_conditioning": True,
    }
    if version == "0.9.1":
        return decoder | {
            "block_out_channels": old,
            "layers_per_block": (1, 1, 1, 1, 1),
            "decoder_inject_noise": (True, True, True, False),
        }
    return decoder | {
        "block_out_channels": (base, 2 * base, 4 * base, 8 * base, 16 * base),
        "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
        "layers_per_block": (1, 1, 1, 1, 1),
        "spatio_temporal_scaling": (True, True, True, True),
        "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
        "spatial_compression_ratio": 32,
        "temporal_compression_ratio": 8,
    }


def scheduler(version: str) -> Any:
    """The shift follows the number of tokens up to 0.9.1; later there is none."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    if version in LATER:
        return FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=False, shift_terminal=None)
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.95,
        max_shift=2.05,
        base_image_seq_len=1024,
        max_image_seq_len=4096,
        shift_terminal=0.1,
    )
