"""Configs of LTX-2's parts as the headers of published files state them, of those in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KINDS = {"spatial": "compress_space", "temporal": "compress_time", "spatiotemporal": "compress_all"}


def config_of(folder: Path, part: str) -> dict[str, Any]:
    """A part's config in the folder."""
    found: dict[str, Any] = json.loads((folder / part / "config.json").read_text())
    return found


def section(folder: Path, name: str) -> dict[str, Any]:
    """A part's config as the header states it."""
    if name == "scheduler":
        return {
            "_class_name": "RectifiedFlowScheduler",
            "num_train_timesteps": 1000,
            "sampler": "LinearQuadratic",
        }
    own = config_of(folder, name)
    if name == "transformer":
        return transformer_section(own, config_of(folder, "connectors"))
    return {"vae": vae_section, "audio_vae": audio_section, "vocoder": vocoder_section}[name](own)


def transformer_section(own: Mapping[str, Any], connectors: Mapping[str, Any]) -> dict[str, Any]:
    """The transformer's config, the connectors' within."""
    same = (
        *("num_attention_heads", "attention_head_dim", "cross_attention_dim", "in_channels", "out_channels"),
        *("audio_num_attention_heads", "audio_attention_head_dim", "audio_cross_attention_dim"),
        *("audio_in_channels", "audio_out_channels", "num_layers", "caption_channels", "norm_eps"),
    )
    later = not own["use_prompt_embeddings"]
    config: dict[str, Any] = {
        "_class_name": "AVTransformer3DModel",
        **{name: own[name] for name in same},
        "qk_norm": "rms_norm",
        "standardization_norm": "rms_norm",
        "positional_embedding_type": "rope",
        "positional_embedding_theta": own["rope_theta"],
        "positional_embedding_max_pos": [own["pos_embed_max_pos"], own["base_height"], own["base_width"]],
        "audio_positional_embedding_max_pos": [own["audio_pos_embed_max_pos"]],
        "timestep_scale_multiplier": own["timestep_scale_multiplier"],
        "av_ca_timestep_scale_multiplier": float(own["cross_attn_timestep_scale_multiplier"]),
        "use_audio_video_cross_attention": True,
        "use_middle_indices_grid": True,
        "rope_type": "split",
        "frequencies_precision": "float64",
        "use_embeddings_connector": True,
        "connector_norm_output": True,
        "connector_num_layers": connectors["video_connector_num_layers"],
        "connector_num_learnable_registers": connectors["video_connector_num_learnable_registers"],
        "connector_num_attention_heads": connectors["video_connector_num_attention_heads"],
        "connector_attention_head_dim": connectors["video_connector_attention_head_dim"],
        "connector_positional_embedding_max_pos": [connectors["connector_rope_base_seq_len"]],
    }
    if later:
        config |= {
            "apply_gated_attention": True,
            "connector_apply_gated_attention": True,
            "cross_attention_adaln": True,
            "caption_proj_before_connector": True,
            "caption_projection_first_linear": False,
            "caption_projection_second_linear": False,
            "text_encoder_norm_type": "per_token_rms",
            "audio_connector_num_attention_heads": connectors["audio_connector_num_attention_heads"],
            "audio_connector_attention_head_dim": connectors["audio_connector_attention_head_dim"],
        }
    newest = {"ff_bias": False, "use_keyframes_abs_pos_embedding": True}
    return config | (newest if own["use_keyframes_abs_pos_embedding"] else {})


def vae_section(own: Mapping[str, Any]) -> dict[str, Any]:
    """The video VAE's config: blocks one after the other, the decoder's from the finest."""
    encoder: list[Any] = [["res_x", {"num_layers": own["layers_per_block"][0]}]]
    widths = (own["latent_channels"], *own["block_out_channels"])
    for i, kind in enumerate(own["downsample_type"]):
        encoder.append([f"{KINDS[kind]}_res", {"multiplier": widths[i + 1] // widths[i]}])
        encoder.append(["res_x", {"num_layers": own["layers_per_block"][i + 1]}])
    layers = own["decoder_layers_per_block"]
    decoder: list[Any] = [["res_x", {"num_layers": layers[0]}]]
    for i, kind in enumerate(reversed(own["upsample_type"])):
        settings = {"multiplier": own["upsample_factor"][i]}
        if own["upsample_residual"][i]:
            settings["residual"] = True
        decoder += [[KINDS[kind], settings], ["res_x", {"num_layers": layers[i + 1]}]]
    config = {
        "_class_name": "CausalVideoAutoencoder",
        "dims": 3,
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": own["latent_channels"],
        "encoder_blocks": encoder,
        "decoder_blocks": decoder,
        "scaling_factor": 1.0,
        "norm_layer": "pixel_norm",
        "patch_size": 4,
        "latent_log_var": "uniform",
        "use_quant_conv": False,
        "causal_decoder": False,
        "timestep_conditioning": False,
        "normalize_latent_channels": False,
        "encoder_base_channels": own["latent_channels"],
        "decoder_base_channels": own["decoder_block_out_channels"][0] // own["upsample_factor"][0],
    }
    edges, others = (own[f"{side}_spatial_padding_mode"] for side in ("encoder", "decoder"))
    if edges == others:
        return config | {"spatial_padding_mode": edges}
    return config | {"encoder_spatial_padding_mode": edges, "decoder_spatial_padding_mode": others}


def audio_section(own: Mapping[str, Any]) -> dict[str, Any]:
    """The audio VAE's config with its front end."""
    inner = {
        "ch": own["base_channels"],
        "out_ch": 2,
        "ch_mult": own["ch_mult"],
        "num_res_blocks": own["num_res_blocks"],
        "attn_resolutions": [],
        "resolution": 256,
        "z_channels": own["latent_channels"],
        "double_z": True,
        "in_channels": 2,
        "mel_bins": 64,
        "dropout": 0.0,
        "mid_block_add_attention": False,
        "norm_type": "pixel",
        "causality_axis": "height",
    }
    return {
        "model": {"params": {"sampling_rate": 16000, "ddconfig": inner}},
        "preprocessing": {
            "audio": {"sampling_rate": 16000, "stereo": True, "causal_padding": 3},
            "stft": {"filter_length": 1024, "hop_length": 160, "win_length": 1024, "causal": True},
            "mel": {"n_mel_channels": 64, "mel_fmin": 0, "mel_fmax": 8000},
        },
    }


def vocoder_section(own: Mapping[str, Any]) -> dict[str, Any]:
    """The vocoder's config; with bandwidth extension two of them."""

    def generator(prefix: str) -> dict[str, Any]:
        return {
            "resblock_kernel_sizes": own[f"{prefix}resnet_kernel_sizes"],
            "resblock_dilation_sizes": own[f"{prefix}resnet_dilations"],
            "upsample_initial_channel": own[f"{prefix}hidden_channels"],
            "upsample_rates": own[f"{prefix}upsample_factors"],
            "upsample_kernel_sizes": own[f"{prefix}upsample_kernel_sizes"],
            "stereo": True,
        }

    if own["_class_name"] == "LTX2Vocoder":
        return generator("")
    newer = {
        "resblock": "AMP1",
        "activation": "snakebeta",
        "use_tanh_at_final": False,
        "use_bias_at_final": False,
    }
    extension = {
        "n_fft": own["filter_length"],
        "win_size": own["window_length"],
        "hop_length": own["hop_length"],
        "num_mels": own["num_mel_channels"],
        "input_sampling_rate": own["input_sampling_rate"],
        "output_sampling_rate": own["output_sampling_rate"],
    }
    return {"vocoder": {**newer, **generator("")}, "bwe": {**newer, **extension, **generator("bwe_")}}
