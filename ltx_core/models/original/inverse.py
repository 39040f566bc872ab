"""Configs of components in the original's words: what `configs.py` and its neighbours read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ltx_core.models.original.vae import KINDS, RES

WORDS = {word: kind for kind, word in KINDS.items()}
"""diffusers' word of a sampler -> the original's."""
SCHEDULER = {
    "_class_name": "RectifiedFlowScheduler",
    "num_train_timesteps": 1000,
    "sampler": "LinearQuadratic",
}


def original_transformer(config: Mapping[str, Any], connectors: Mapping[str, Any] | None) -> dict[str, Any]:
    """The section `transformer`: the transformer's and the connectors' settings, with all keys (`filled`)."""
    found = {**_transformer(config), **_fixed()}
    if config["gated_attn"]:
        found["apply_gated_attention"] = True
    if config["cross_attn_mod"]:
        found["cross_attention_adaln"] = True
    if not config["use_prompt_embeddings"]:
        found |= {
            "caption_proj_before_connector": True,
            "caption_projection_first_linear": False,
            "caption_projection_second_linear": False,
            "caption_proj_input_norm": False,
            "text_encoder_norm_type": "per_token_rms",
        }
    plain = {"ff_bias": True, "audio_ff_bias": True, "use_prompt_adaln_single": True}
    plain["use_keyframes_abs_pos_embedding"] = False
    found |= {name: config[name] for name, value in plain.items() if config[name] != value}
    return found | (_connectors(connectors) if connectors else {})


def _fixed() -> dict[str, Any]:
    """Settings of which diffusers' class has one only."""
    return {
        "_class_name": "AVTransformer3DModel",
        "qk_norm": "rms_norm",
        "standardization_norm": "rms_norm",
        "positional_embedding_type": "rope",
        "causal_temporal_positioning": True,
        "use_audio_video_cross_attention": True,
        "share_ff": False,
        "av_cross_ada_norm": True,
        "use_middle_indices_grid": True,
    }


def _transformer(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "activation_fn": config["activation_fn"],
        "attention_bias": config["attention_bias"],
        "attention_head_dim": config["attention_head_dim"],
        "caption_channels": config["caption_channels"],
        "cross_attention_dim": config["cross_attention_dim"],
        "in_channels": config["in_channels"],
        "out_channels": config["out_channels"],
        "norm_elementwise_affine": config["norm_elementwise_affine"],
        "norm_eps": config["norm_eps"],
        "num_attention_heads": config["num_attention_heads"],
        "num_layers": config["num_layers"],
        "positional_embedding_theta": config["rope_theta"],
        "positional_embedding_max_pos": [
            config["pos_embed_max_pos"],
            config["base_height"],
            config["base_width"],
        ],
        "timestep_scale_multiplier": config["timestep_scale_multiplier"],
        "av_ca_timestep_scale_multiplier": float(config["cross_attn_timestep_scale_multiplier"]),
        "audio_num_attention_heads": config["audio_num_attention_heads"],
        "audio_attention_head_dim": config["audio_attention_head_dim"],
        "audio_in_channels": config["audio_in_channels"],
        "audio_out_channels": config["audio_out_channels"],
        "audio_cross_attention_dim": config["audio_cross_attention_dim"],
        "audio_positional_embedding_max_pos": [config["audio_pos_embed_max_pos"]],
        "rope_type": config["rope_type"],
        "frequencies_precision": "float64" if config["rope_double_precision"] else "float32",
    }


def _connectors(config: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "use_embeddings_connector": True,
        "connector_attention_head_dim": config["video_connector_attention_head_dim"],
        "connector_num_attention_heads": config["video_connector_num_attention_heads"],
        "connector_num_layers": config["video_connector_num_layers"],
        "connector_num_learnable_registers": config["video_connector_num_learnable_registers"],
        "connector_positional_embedding_max_pos": [config["connector_rope_base_seq_len"]],
        "connector_norm_output": True,
        "audio_connector_attention_head_dim": config["audio_connector_attention_head_dim"],
        "audio_connector_num_attention_heads": config["audio_connector_num_attention_heads"],
    }
    if config["video_gated_attn"]:
        found["connector_apply_gated_attention"] = True
    if config["rope_theta"] != 10000.0:
        found["connector_positional_embedding_theta"] = config["rope_theta"]
    return found


def original_vae(config: Mapping[str, Any]) -> dict[str, Any]:
    """The section `vae`, of a config with all keys."""
    width, encoder = config["latent_channels"], []
    for index, layers in enumerate(config["layers_per_block"]):
        encoder.append([RES, {"num_layers": layers}])
        if index < len(config["block_out_channels"]):
            wider = config["block_out_channels"][index]
            encoder.append([f"{WORDS[config['downsample_type'][index]]}_res", {"multiplier": wider // width}])
            width = wider
    decoder: list[Any] = []
    kinds = list(reversed(config["upsample_type"]))
    for index, layers in enumerate(config["decoder_layers_per_block"]):
        decoder.append(
            [RES, {"num_layers": layers, "inject_noise": _at(config["decoder_inject_noise"], index)}]
        )
        if index < len(config["decoder_block_out_channels"]):
            factor, residual = config["upsample_factor"][index], _at(config["upsample_residual"], index)
            decoder.append([WORDS[kinds[index]], {"multiplier": factor, "residual": residual}])
    return {
        "_class_name": "CausalVideoAutoencoder",
        "dims": 3,
        "in_channels": config["in_channels"],
        "out_channels": config["out_channels"],
        "latent_channels": config["latent_channels"],
        "encoder_blocks": encoder,
        "decoder_blocks": decoder,
        "scaling_factor": config["scaling_factor"],
        "norm_layer": "pixel_norm",
        "patch_size": config["patch_size"],
        "latent_log_var": "uniform",
        "use_quant_conv": False,
        "causal_decoder": config["decoder_causal"],
        "timestep_conditioning": config["timestep_conditioning"],
        "normalize_latent_channels": False,
        "encoder_base_channels": config["latent_channels"],
        "decoder_base_channels": config["decoder_block_out_channels"][0] // config["upsample_factor"][0],
        **_padding(config),
    }


def _padding(config: Mapping[str, Any]) -> dict[str, Any]:
    modes = config["encoder_spatial_padding_mode"], config["decoder_spatial_padding_mode"]
    if modes[0] == modes[1]:
        return {"spatial_padding_mode": modes[0]}
    return {"encoder_spatial_padding_mode": modes[0], "decoder_spatial_padding_mode": modes[1]}


def _at(value: Any, index: int) -> bool:
    return bool(value[index]) if isinstance(value, list | tuple) else bool(value)


def original_audio_vae(config: Mapping[str, Any], mel: Mapping[str, Any]) -> dict[str, Any]:
    """The section `audio_vae`, of a config and front end with all keys."""
    inner = {
        "double_z": config["double_z"],
        "mel_bins": config["mel_bins"],
        "z_channels": config["latent_channels"],
        "resolution": config["resolution"],
        "downsample_time": False,
        "in_channels": config["in_channels"],
        "out_ch": config["output_channels"],
        "ch": config["base_channels"],
        "ch_mult": list(config["ch_mult"]),
        "num_res_blocks": config["num_res_blocks"],
        "attn_resolutions": list(config["attn_resolutions"] or ()),
        "dropout": config["dropout"],
        "mid_block_add_attention": config["mid_block_add_attention"],
        "norm_type": config["norm_type"],
        "causality_axis": config["causality_axis"],
    }
    size = mel["n_fft"]
    return {
        "model": {"params": {"ddconfig": inner, "sampling_rate": config["sample_rate"]}},
        "preprocessing": {
            "audio": {"sampling_rate": mel["sample_rate"], "stereo": True},
            "stft": {
                "filter_length": size,
                "hop_length": mel["hop"],
                "win_length": size,
                "causal": config["is_causal"],
            },
            "mel": {"n_mel_channels": mel["mel_bins"], "mel_fmin": mel["f_min"], "mel_fmax": mel["f_max"]},
        },
    }


def original_vocoder(config: Mapping[str, Any]) -> dict[str, Any]:
    """The section `vocoder`, of a config with all keys."""
    if config["_class_name"] == "LTX2Vocoder":
        return {**_generator(config, ""), "output_sampling_rate": config["output_sampling_rate"]}
    return {
        "vocoder": _generator(config, ""),
        "bwe": {
            **_generator(config, "bwe_"),
            "input_sampling_rate": config["input_sampling_rate"],
            "output_sampling_rate": config["output_sampling_rate"],
            "hop_length": config["hop_length"],
            "n_fft": config["filter_length"],
            "win_size": config["window_length"],
            "num_mels": config["num_mel_channels"],
        },
    }


def _generator(config: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    last = config[f"{prefix}final_act_fn"]
    found = {
        "upsample_initial_channel": config[f"{prefix}hidden_channels"],
        "resblock": "AMP1" if config[f"{prefix}antialias"] else "1",
        "upsample_rates": list(config[f"{prefix}upsample_factors"]),
        "resblock_kernel_sizes": list(config[f"{prefix}resnet_kernel_sizes"]),
        "upsample_kernel_sizes": list(config[f"{prefix}upsample_kernel_sizes"]),
        "resblock_dilation_sizes": [list(sizes) for sizes in config[f"{prefix}resnet_dilations"]],
        "stereo": config[f"{prefix}out_channels"] == 2,
        "use_tanh_at_final": last == "tanh",
        "use_bias_at_final": config[f"{prefix}final_bias"],
    }
    if config[f"{prefix}antialias"]:
        found["activation"] = config[f"{prefix}act_fn"]
    if last is None:
        found["apply_final_activation"] = False
    return found
