"""The text side: a tokenizer of whole words and a random, frozen Gemma 3 in a tiny size."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, PreTrainedTokenizerFast

from data.make import shapes
from data.make.model import sizes

WEIGHTS_SEED = 3
SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>")
MORE_WORDS = (
    *("sketch", "striped", "style", "of", "the", "and", "orange", "pink", "cyan", "black", "still", "fast"),
    *("slow", "drawing", "pattern", "spins", "shrinks", "star"),
)
"""Words that no training caption has, for LoRAs to give a meaning to."""


def new_tokenizer() -> PreTrainedTokenizerFast:
    """Words and punctuation marks are tokens; the first token is `<bos>`, padding is on the left."""
    words = set(MORE_WORDS) | {","}
    for scene in shapes.scenes():
        words |= set(shapes.caption(scene).replace(",", " ").split())
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *sorted(words)))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
        padding_side="left",
        model_max_length=sizes.TOKENS,
    )


def new_text_encoder(words: int) -> Gemma3ForCausalLM:
    """Random weights: what it says of a caption is different for different captions, which is enough.

    Always the same weights, whatever the seed of the rest.
    """
    torch.manual_seed(WEIGHTS_SEED)
    return Gemma3ForCausalLM(
        Gemma3TextConfig(
            vocab_size=words,
            hidden_size=sizes.TEXT_WIDTH,
            intermediate_size=2 * sizes.TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=32,
            max_position_embeddings=64,
            sliding_window=64,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=2,
            initializer_range=0.1,
            query_pre_attn_scalar=32,
            tie_word_embeddings=True,
        )
    ).eval()


@torch.no_grad()
def text_features(
    encoder: Gemma3ForCausalLM, tokenizer: PreTrainedTokenizerFast, captions: list[str]
) -> tuple[Tensor, Tensor]:
    """Hidden states of all layers `[N, 16, 64 * 3]` and the mask of valid tokens `[N, 16]`."""
    tokens = tokenizer(
        captions, padding="max_length", max_length=sizes.TOKENS, truncation=True, return_tensors="pt"
    )
    states = encoder(**tokens, output_hidden_states=True).hidden_states
    return torch.stack(states, dim=-1).flatten(2), tokens["attention_mask"]
