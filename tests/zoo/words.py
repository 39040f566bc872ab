"""Text parts of the zoo's models: tokenizers whose tokens are letters, and random language models.

A token is a letter, so that every caption has tokens of its own and none is unknown.
"""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

LETTERS = string.ascii_lowercase + string.ascii_uppercase + string.digits + " ,.;:!?'\"-()"
HIDDEN, LAYERS = 32, 3
"""Width and depth of the Gemma models; their hidden states are one more than their layers."""
T5_WIDTH = 32


def gemma_tokenizer(limit: int, adds_bos: bool) -> Any:
    """`<bos>` is added by the tokenizer for Gemma 3, and not for Gemma 4."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ("<pad>", "<eos>", "<bos>", "<unk>", *LETTERS)
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", 2)]
        )
    names = {f"{name}_token": f"<{name}>" for name in ("pad", "eos", "bos", "unk")}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, padding_side="left", model_max_length=limit, **names
    )


def t5_tokenizer(limit: int) -> Any:
    """T5's own class over pieces of one letter; `</s>` comes last."""
    from transformers import T5TokenizerFast

    return T5TokenizerFast(vocab=t5_pieces(), extra_ids=0, model_max_length=limit)


def t5_pieces() -> list[tuple[str, float]]:
    """Pieces of the T5 tokenizer with their scores."""
    special = ("<pad>", "</s>", "<unk>")
    return [*((name, 0.0) for name in special), *((letter, -2.0) for letter in ("▁", *LETTERS.strip()))]


def as_pieces(folder: Path) -> None:
    """Turn T5's tokenizer in a folder into the form that the published folders have: `spiece.model` alone."""
    from transformers.utils import sentencepiece_model_pb2_new as messages

    kinds = {"<unk>": 2, "<pad>": 3, "</s>": 3}
    message = messages.ModelProto()
    for text, score in t5_pieces():
        message.pieces.add(piece=text, score=score, type=kinds.get(text, 1))
    message.trainer_spec.unk_id = 2
    message.normalizer_spec.name = "nmt_nfkc"
    (folder / "spiece.model").write_bytes(message.SerializeToString())
    (folder / "tokenizer.json").unlink()


def gemma3(words: int) -> Any:
    """Gemma 3 as LTX-2.0 and 2.3 have it: with a vision tower that captions do not need."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    text = {
        **_text_sizes(words),
        "query_pre_attn_scalar": 16,
        "layer_types": ["sliding_attention"] * (LAYERS - 1) + ["full_attention"],
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    return Gemma3ForConditionalGeneration(config)


def gemma4(words: int) -> Any:
    """Gemma 4 as LTX-2.5 has it."""
    from transformers import Gemma4UnifiedConfig, Gemma4UnifiedForConditionalGeneration

    text = {
        **_text_sizes(words),
        "layer_types": ["sliding_attention"] * (LAYERS - 1) + ["full_attention"],
        "per_layer_config": {LAYERS - 1: {"head_dim": 32}},
    }
    config = Gemma4UnifiedConfig(text_config=text, vision_config=None, audio_config=None)
    return Gemma4UnifiedForConditionalGeneration(config)


def t5(words: int) -> Any:
    """T5's encoder as all LTX-Video have it, v1.1: gated, its two embeddings apart."""
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=words,
            d_model=T5_WIDTH,
            d_kv=8,
            d_ff=64,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
        )
    )


def _text_sizes(words: int) -> dict[str, Any]:
    return {
        "vocab_size": words,
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "max_position_embeddings": 1024,
        "sliding_window": 64,
        "initializer_range": 0.1,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
