"""Tiny random captioners of each kind, saved in the real format with a tokenizer of a few hundred words."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, WhisperFeatureExtractor

VL = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
OMNI = (
    "<|vision_bos|>",
    "<|vision_eos|>",
    "<|IMAGE|>",
    "<|VIDEO|>",
    "<|audio_bos|>",
    "<|AUDIO|>",
    "<|audio_eos|>",
)
QWEN3 = (*VL, "<|audio_start|>", "<|audio_pad|>", "<|audio_end|>")
CHAT = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SIZE = {"shortest_edge": 4 * 28 * 28, "longest_edge": 9 * 28 * 28}


def save_tokenizer(folder: Path, special: tuple[str, ...]) -> PreTrainedTokenizerFast:
    """Bytes and special tokens: any prompt can be written with it."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate(letters)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<|endoftext|>", additional_special_tokens=[*CHAT, *special]
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0},
}
EARS = {
    "d_model": 32,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "num_mel_bins": 32,
}


def vision(**more: object) -> dict[str, object]:
    return {
        "depth": 1,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "out_hidden_size": 32,
        **more,
    }


def ids(tokenizer: PreTrainedTokenizerFast, **names: str) -> dict[str, int]:
    return {field: tokenizer.convert_tokens_to_ids(name) for field, name in names.items()}


def save(kind: str, folder: Path, seed: int = 0) -> Path:
    """The folder of a captioner: `qwen2_5_vl`, `qwen2_5_omni` or `qwen3_omni_moe`."""
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    model = {"qwen2_5_vl": _vl, "qwen2_5_omni": _omni, "qwen3_omni_moe": _omni3}[kind](folder)
    with torch.no_grad():  # varied words: at the usual small scale one token would win every time
        model.lm_head.weight.normal_(0, 1.0)
    model.save_pretrained(folder)
    patch = 16 if kind == "qwen3_omni_moe" else 14
    numbers = {"patch_size": patch, "temporal_patch_size": 2, "merge_size": 2}
    WhisperFeatureExtractor(feature_size=32, chunk_length=30).save_pretrained(folder)
    ears = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**ears, **numbers}))
    (folder / "video_preprocessor_config.json").write_text(json.dumps({**numbers, "size": SIZE}))
    return folder


def _vl(folder: Path) -> torch.nn.Module:
    tokenizer = save_tokenizer(folder, VL)
    config = transformers.Qwen2_5_VLConfig(
        text_config={**TEXT, "vocab_size": len(tokenizer)},
        vision_config=vision(fullatt_block_indexes=[0], window_size=56),
        **ids(
            tokenizer,
            image_token_id="<|image_pad|>",
            video_token_id="<|video_pad|>",
            vision_start_token_id="<|vision_start|>",
            vision_end_token_id="<|vision_end|>",
        ),
    )
    return transformers.Qwen2_5_VLForConditionalGeneration(config)


def _omni(folder: Path) -> torch.nn.Module:
    from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniThinkerConfig

    tokenizer = save_tokenizer(folder, OMNI)
    config = Qwen2_5OmniThinkerConfig(
        text_config={**TEXT, "vocab_size": len(tokenizer)},
        vision_config=vision(fullatt_block_indexes=[0], window_size=56),
        audio_config={**EARS, "output_dim": 32, "n_window": 50},
        **ids(
            tokenizer,
            audio_token_index="<|AUDIO|>",
            image_token_index="<|IMAGE|>",
            video_token_index="<|VIDEO|>",
            audio_start_token_id="<|audio_bos|>",
            audio_end_token_id="<|audio_eos|>",
        ),
    )
    config.vision_start_token_id = tokenizer.convert_tokens_to_ids("<|vision_bos|>")
    config.vision_end_token_id = tokenizer.convert_tokens_to_ids("<|vision_eos|>")
    return transformers.Qwen2_5OmniThinkerForConditionalGeneration(config)


def _omni3(folder: Path) -> torch.nn.Module:
    from transformers.models.qwen3_omni_moe.configuration_qwen3_omni_moe import Qwen3OmniMoeThinkerConfig

    tokenizer = save_tokenizer(folder, QWEN3)
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "head_dim": 8}
    config = Qwen3OmniMoeThinkerConfig(
        text_config={**TEXT, **experts, "vocab_size": len(tokenizer)},
        vision_config=vision(patch_size=16, num_position_embeddings=64, deepstack_visual_indexes=[0]),
        audio_config={**EARS, "output_dim": 32, "n_window": 50, "downsample_hidden_size": 16},
        **ids(
            tokenizer,
            audio_token_id="<|audio_pad|>",
            image_token_id="<|image_pad|>",
            video_token_id="<|video_pad|>",
            audio_start_token_id="<|audio_start|>",
            vision_start_token_id="<|vision_start|>",
        ),
    )
    return transformers.Qwen3OmniMoeThinkerForConditionalGeneration(config)
