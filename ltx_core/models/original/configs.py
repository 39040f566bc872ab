"""Configs of the transformer, the connectors and the scheduler: the original's to diffusers'.

What the file says decides; a version number never does. Defaults of fields that a file leaves out are the
public reference's. A setting that the library's module has not is refused, for its numbers would be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ltx_core.models.component import Stored
from ltx_core.models.errors import ModelError

SCHEDULER = {
    "_class_name": "FlowMatchEulerDiscreteScheduler",
    "use_dynamic_shifting": True,
    "base_shift": 0.95,
    "max_shift": 2.05,
    "base_image_seq_len": 1024,
    "max_image_seq_len": 4096,
    "shift_terminal": 0.1,
}
"""The reference's shift of noise levels, which original files do not describe."""
SINGLE, PER_MODALITY = "aggregate_embed.weight", "video_aggregate_embed.weight"
"""The projection of captions of LTX-2.0, and of later versions."""


def expect(section: str, config: Mapping[str, Any], **wanted: Any) -> None:
    """Refuse a stated setting that is not the one that the library's module has.

    Raises:
        ModelError: naming it; settings that are left out pass.
    """
    for name, value in wanted.items():
        values = value if isinstance(value, tuple) else (value,)
        found = config.get(name, values[0])
        found = found.lower() if isinstance(found, str) else found
        if found not in values:
            raise ModelError(
                f"the checkpoint's {section} has {name} = {config[name]!r}; only "
                f"{' or '.join(repr(known) for known in values)} can be used. It may be newer than this "
                "program"
            )


def transformer_config(
    config: Mapping[str, Any], scale: tuple[int, int, int], audio: Mapping[str, Any]
) -> dict[str, Any]:
    """diffusers' config of `LTX2VideoTransformer3DModel`.

    Args:
        config: the section `transformer` of the checkpoint.
        scale: pixels per latent of the video VAE: time, height, width.
        audio: `audio_scale_factor`, `audio_sampling_rate` and `audio_hop_length` of the audio VAE.

    Raises:
        ModelError: for a setting that diffusers' class has not.
    """
    expect(
        "transformer",
        config,
        positional_embedding_type="rope",
        use_middle_indices_grid=True,
        qk_norm="rms_norm",
        standardization_norm="rms_norm",
        use_audio_video_cross_attention=True,
        share_ff=False,
        rope_type=("split", "interleaved"),
        caption_projection_first_linear=not config.get("caption_proj_before_connector", False),
        caption_projection_second_linear=not config.get("caption_proj_before_connector", False),
    )
    return {
        "_class_name": "LTX2VideoTransformer3DModel",
        "vae_scale_factors": list(scale),
        **audio,
        **_video(config),
        **_audio(config),
        **_shared(config),
    }


def _video(config: Mapping[str, Any]) -> dict[str, Any]:
    time, height, width = config.get("positional_embedding_max_pos", (20, 2048, 2048))
    channels = config.get("in_channels", 128)
    return {
        "in_channels": channels,
        "out_channels": config.get("out_channels", channels),
        "patch_size": 1,
        "patch_size_t": 1,
        "num_attention_heads": config.get("num_attention_heads", 32),
        "attention_head_dim": config.get("attention_head_dim", 128),
        "cross_attention_dim": config.get("cross_attention_dim", 4096),
        "pos_embed_max_pos": time,
        "base_height": height,
        "base_width": width,
        "gated_attn": bool(config.get("apply_gated_attention")),
        "cross_attn_mod": bool(config.get("cross_attention_adaln")),
    }


def _audio(config: Mapping[str, Any]) -> dict[str, Any]:
    audio_channels = config.get("audio_in_channels", 128)
    return {
        "audio_in_channels": audio_channels,
        "audio_out_channels": config.get("audio_out_channels", audio_channels),
        "audio_patch_size": 1,
        "audio_patch_size_t": 1,
        "audio_num_attention_heads": config.get("audio_num_attention_heads", 32),
        "audio_attention_head_dim": config.get("audio_attention_head_dim", 64),
        "audio_cross_attention_dim": config.get("audio_cross_attention_dim", 2048),
        "audio_pos_embed_max_pos": config.get("audio_positional_embedding_max_pos", (20,))[0],
        "audio_gated_attn": bool(config.get("apply_gated_attention")),
        "audio_cross_attn_mod": bool(config.get("cross_attention_adaln")),
    }


def _shared(config: Mapping[str, Any]) -> dict[str, Any]:
    """What holds for both streams."""
    return {
        "num_layers": config.get("num_layers", 48),
        "activation_fn": config.get("activation_fn", "gelu-approximate"),
        "qk_norm": "rms_norm_across_heads",
        "norm_elementwise_affine": config.get("norm_elementwise_affine", False),
        "norm_eps": config.get("norm_eps", 1e-6),
        "caption_channels": config.get("caption_channels", 3840),
        "attention_bias": config.get("attention_bias", True),
        "attention_out_bias": True,
        "rope_theta": config.get("positional_embedding_theta", 10000.0),
        "rope_double_precision": config.get("frequencies_precision") == "float64",
        "causal_offset": 1,
        "timestep_scale_multiplier": config.get("timestep_scale_multiplier", 1000),
        "cross_attn_timestep_scale_multiplier": config.get("av_ca_timestep_scale_multiplier", 1),
        "rope_type": str(config.get("rope_type", "interleaved")).lower(),
        "use_prompt_embeddings": not config.get("caption_proj_before_connector", False),
        # No weights hang on it; without it the guidance that skips self attentions silently does nothing.
        "perturbed_attn": True,
        "ff_bias": config.get("ff_bias", True),
        "audio_ff_bias": config.get("audio_ff_bias", True),
        "use_prompt_adaln_single": config.get("use_prompt_adaln_single", True),
        "use_keyframes_abs_pos_embedding": config.get("use_keyframes_abs_pos_embedding", False),
    }


def connectors_config(config: Mapping[str, Any], projections: Mapping[str, Stored]) -> dict[str, Any]:
    """diffusers' config of `LTX2TextConnectors`.

    Args:
        config: the section `transformer` of the checkpoint.
        projections: the weights of `text_embedding_projection`, where they are at hand: the width and the
            number of the text encoder's hidden states are theirs.

    Raises:
        ModelError: for a setting that diffusers' class has not, or a projection that does not fit the config.
    """
    separate = bool(config.get("caption_proj_before_connector"))
    expect("transformer", config, connector_norm_output=True, caption_proj_input_norm=False)
    if separate:
        expect("transformer", config, text_encoder_norm_type="per_token_rms")
    heads = config.get("connector_num_attention_heads", 30)
    width = config.get("connector_attention_head_dim", 128)
    audio_heads = config.get("audio_connector_num_attention_heads", heads)
    audio_width = config.get("audio_connector_attention_head_dim", width)
    hidden = int(config.get("caption_channels", 3840))
    found = {
        "_class_name": "LTX2TextConnectors",
        "caption_channels": hidden,
        "text_proj_in_factor": 49,
        "connector_rope_base_seq_len": config.get("connector_positional_embedding_max_pos", (4096,))[0],
        "rope_theta": config.get("connector_positional_embedding_theta", 10000.0),
        "rope_double_precision": config.get("frequencies_precision") == "float64",
        "causal_temporal_positioning": False,
        "rope_type": str(config.get("rope_type", "interleaved")).lower(),
        "per_modality_projections": separate,
        "proj_bias": separate,
    }
    if separate:
        found |= {"video_hidden_dim": heads * width, "audio_hidden_dim": audio_heads * audio_width}
    for modality, count, size in (("video", heads, width), ("audio", audio_heads, audio_width)):
        found |= {
            f"{modality}_connector_num_attention_heads": count,
            f"{modality}_connector_attention_head_dim": size,
            f"{modality}_connector_num_layers": config.get("connector_num_layers", 2),
            f"{modality}_connector_num_learnable_registers": config.get(
                "connector_num_learnable_registers", 128
            ),
            f"{modality}_gated_attn": bool(config.get("connector_apply_gated_attention")),
        }
    return found | _projected(projections, separate, hidden)


def _projected(projections: Mapping[str, Stored], separate: bool, hidden: int) -> dict[str, Any]:
    """What the projections' shapes say."""
    name = PER_MODALITY if separate else SINGLE
    if not projections:
        return {}
    if name not in projections:
        raise ModelError(
            f"{next(iter(projections.values())).file} projects captions with {sorted(projections)[0]}, the "
            f"transformer's config asks for {name}: they are of two versions of LTX-2; take both from one"
        )
    inputs = projections[name].shape[1]
    if inputs % hidden:
        raise ModelError(
            f"{projections[name].file}: text_embedding_projection.{name} reads {inputs} numbers of a token, "
            f"no multiple of the transformer's caption_channels {hidden}: they are of two models; take both "
            "from one"
        )
    found = {
        "text_proj_in_factor": inputs // hidden,
        "proj_bias": name.replace("weight", "bias") in projections,
    }
    if separate:
        for modality in ("video", "audio"):
            found[f"{modality}_hidden_dim"] = projections[f"{modality}_{SINGLE}"].shape[0]
    return found
