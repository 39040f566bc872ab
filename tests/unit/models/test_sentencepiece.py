"""T5's tokenizer from a `spiece.model` alone gives the numbers that the ready tokenizer gives."""

import json
from pathlib import Path

import pytest
from zoo.words import as_pieces, t5_tokenizer

from ltx_core.models.errors import ModelError
from ltx_core.models.folder import folder_component
from ltx_core.models.loading import load_tokenizer
from ltx_core.models.ltxv.sentencepiece_file import read_pieces

TEXTS = ("", "a red ball rolls to the left", "  Two  Words, 3 dots... ", "ünknown letters 球")


def pieces_in(folder: Path) -> Path:
    t5_tokenizer(128).save_pretrained(folder)
    as_pieces(folder)
    return folder


def test_the_numbers_are_those_of_the_ready_tokenizer(tmp_path: Path):
    own = load_tokenizer(folder_component("tokenizer", pieces_in(tmp_path)))
    ready = t5_tokenizer(128)
    assert [own(text)["input_ids"] for text in TEXTS] == [ready(text)["input_ids"] for text in TEXTS]
    assert own.model_max_length == 128
    assert (own.eos_token_id, own.pad_token_id) == (ready.eos_token_id, ready.pad_token_id)


def test_special_tokens_may_be_stated_as_objects_and_extra_tokens_follow_the_pieces(tmp_path: Path):
    path = pieces_in(tmp_path) / "tokenizer_config.json"
    stated = json.loads(path.read_text()) | {
        "eos_token": {"content": "</s>", "lstrip": False},
        "extra_ids": 3,
    }
    path.write_text(json.dumps(stated))
    own = load_tokenizer(folder_component("tokenizer", tmp_path))
    pieces, _ = read_pieces((tmp_path / "spiece.model").read_bytes())
    last = [f"<extra_id_{number}>" for number in (2, 1, 0)]
    assert own.convert_tokens_to_ids(last) == [len(pieces), len(pieces) + 1, len(pieces) + 2]


def test_the_table_of_the_normalizer_is_read():
    from transformers.utils import sentencepiece_model_pb2_new as messages

    message = messages.ModelProto()
    message.pieces.add(piece="a", score=-1.5)
    message.normalizer_spec.precompiled_charsmap = b"table" * 100
    assert read_pieces(message.SerializeToString()) == ([("a", -1.5)], b"table" * 100)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-7], lambda data: b"no model at all", lambda data: b""]
)
def test_a_damaged_file_is_refused_by_name(damage, tmp_path: Path):
    path = pieces_in(tmp_path) / "spiece.model"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError, match=r"cannot be loaded: ValueError"):
        load_tokenizer(folder_component("tokenizer", tmp_path))
