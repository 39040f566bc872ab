"""Parts of tiny LTX-2 models: configs of 2.0, 2.3 and 2.5 as the real ones differ, in small sizes."""

from __future__ import annotations

from typing import Any

import torch

from zoo import words

VERSIONS = ("2.0", "2.3", "2.5")
VIDEO_CHANNELS, AUDIO_CHANNELS, MEL_BINS = 8, 2, 64
HEADS, VIDEO_HEAD, AUDIO_HEAD = 2, 24, 16
REGISTERS, TEXT_TOKENS = 128, 128
GATES = ("gated_attn", "cross_attn_mod", "audio_gated_attn", "audio_cross_attn_mod")


def parts(version: str) -> dict[str, Any]:
    """The modules and the tokenizer of a version, by the names that `LTX2Pipeline` gives them."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    tokenizer = words.gemma_tokenizer(TEXT_TOKENS, adds_bos=version != "2.5")
    encoder = words.gemma4 if version == "2.5" else words.gemma3
    return {
        "transformer": transformer(version),
        "vae": video_vae(version),
        "audio_vae": audio_vae(),
        "vocoder": vocoder(version),
        "connectors": connectors(version),
        "text_encoder": encoder(len(tokenizer)),
        "tokenizer": tokenizer,
        "scheduler": FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True,
            base_shift=0.95,
            max_shift=2.05,
            base_image_seq_len=1024,
            max_image_seq_len=4096,
            shift_terminal=0.1,
        ),
    }


def transformer(version: str) -> Any:
    """2.3 adds gates and the modulation of the prompt; 2.5 has no bias in the video's feed-forward."""
    from diffusers import LTX2VideoTransformer3DModel

    later = version != "2.0"
    return LTX2VideoTransformer3DModel(
        in_channels=VIDEO_CHANNELS,
        out_channels=VIDEO_CHANNELS,
        num_attention_heads=HEADS,
        attention_head_dim=VIDEO_HEAD,
        cross_attention_dim=HEADS * VIDEO_HEAD,
        audio_in_channels=AUDIO_CHANNELS * MEL_BINS // 4,
        audio_out_channels=AUDIO_CHANNELS * MEL_BINS // 4,
        audio_num_attention_heads=HEADS,
        audio_attention_head_dim=AUDIO_HEAD,
        audio_cross_attention_dim=HEADS * AUDIO_HEAD,
        num_layers=2,
        caption_channels=words.HIDDEN,
        rope_type="split",
        use_prompt_embeddings=not later,
        perturbed_attn=later,
        ff_bias=version != "2.5",
        use_keyframes_abs_pos_embedding=version == "2.5",
        **dict.fromkeys(GATES, later),
    )


def connectors(version: str) -> Any:
    """One projection for both modalities in 2.0, one for each later."""
    from diffusers.pipelines.ltx2 import LTX2TextConnectors

    later = version != "2.0"
    widths = (VIDEO_HEAD, AUDIO_HEAD) if later else (words.HIDDEN // HEADS,) * 2
    sizes: dict[str, Any] = {}
    for modality, width in zip(("video", "audio"), widths, strict=True):
        sizes |= {
            f"{modality}_connector_num_attention_heads": HEADS,
            f"{modality}_connector_attention_head_dim": width,
            f"{modality}_connector_num_layers": 2,
            f"{modality}_connector_num_learnable_registers": REGISTERS,
            f"{modality}_gated_attn": later,
        }
    if later:
        sizes |= {
            "per_modality_projections": True,
            "proj_bias": True,
            "video_hidden_dim": HEADS * VIDEO_HEAD,
            "audio_hidden_dim": HEADS * AUDIO_HEAD,
        }
    return LTX2TextConnectors(
        caption_channels=words.HIDDEN,
        text_proj_in_factor=words.LAYERS + 1,
        rope_type="split",
        rope_double_precision=True,
        **sizes,
    )


def video_vae(version: str) -> Any:
    """8 x 32 x 32 pixels to 8 channels; 2.3 has another order of scales in the decoder."""
    from diffusers import AutoencoderKLLTX2Video

    base = VIDEO_CHANNELS
    if version == "2.0":
        deepest, decoder = 16 * base, (2 * base, 4 * base, 8 * base)
        upsample, factor, residual = ("spatiotemporal",) * 3, (2, 2, 2), True
    else:
        deepest, decoder = 8 * base, (2 * base, 4 * base, 4 * base, 8 * base)
        upsample = ("spatiotemporal", "spatiotemporal", "temporal", "spatial")
        factor, residual = (2, 2, 1, 2), False
    ups = len(decoder)
    return AutoencoderKLLTX2Video(
        latent_channels=VIDEO_CHANNELS,
        block_out_channels=(2 * base, 4 * base, 8 * base, deepest),
        decoder_block_out_channels=decoder,
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1,) * (ups + 1),
        decoder_spatio_temporal_scaling=(True,) * ups,
        decoder_inject_noise=(False,) * (ups + 1),
        upsample_type=upsample,
        upsample_residual=(residual,) * ups,
        upsample_factor=factor,
        decoder_causal=False,
        decoder_spatial_padding_mode="reflect" if version == "2.0" else "zeros",
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )


def audio_vae() -> Any:
    """16 kHz, 64 mel bins, 25 latents a second, as all LTX-2 have it."""
    from diffusers import AutoencoderKLLTX2Audio

    return AutoencoderKLLTX2Audio(
        base_channels=AUDIO_CHANNELS * MEL_BINS // 4,
        ch_mult=(1, 1, 2),
        num_res_blocks=1,
        latent_channels=AUDIO_CHANNELS,
    )


def vocoder(version: str) -> Any:
    """24 kHz in 2.0; later 16 kHz with bandwidth extension to 48 kHz."""
    from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder, LTX2VocoderWithBWE

    if version == "2.0":
        return LTX2Vocoder(in_channels=2 * MEL_BINS, hidden_channels=32)
    model = LTX2VocoderWithBWE(
        in_channels=2 * MEL_BINS,
        hidden_channels=64,
        bwe_hidden_channels=32,
        filter_length=128,
        window_length=128,
    )
    for name, value in model.named_buffers():
        if name.endswith("basis"):
            torch.nn.init.uniform_(value, 0, 0.05)
    return model
