"""T5's tokenizer from the `spiece.model` of a SentencePiece model, without that library.

The published folders of LTX-Video have their tokenizer in this form alone; transformers reads it only where
`sentencepiece` is installed. The file is a protobuf message of which three fields are needed.

Design choices
- Only T5's class is made of it: the pieces' scores decide there, where other models would need merges.
- The message is read field by field; what is not needed is passed over by its length.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME, READY = "spiece.model", "tokenizer.json"
T5_CLASSES = ("T5Tokenizer", "T5TokenizerFast")
PIECE, NORMALIZER = 1, 3
"""Fields of the message: a piece of the vocabulary (text 1, score 2), the normalizer (table 2)."""
TEXT, SCORE, TABLE = 1, 2, 2
VARINT, LONG, BYTES, SHORT = 0, 1, 2, 5
"""Wire types of protobuf."""
KEPT = ("model_max_length", "eos_token", "unk_token", "pad_token", "extra_ids")
"""Settings of a tokenizer's config that its class takes."""

Field = tuple[int, bytes]


def is_t5_pieces(folder: Path) -> bool:
    """Whether a tokenizer's folder holds T5's pieces and no tokenizer that is ready."""
    if (folder / READY).is_file() or not (folder / NAME).is_file():
        return False
    return _config(folder).get("tokenizer_class", T5_CLASSES[0]) in T5_CLASSES


def t5_tokenizer(folder: Path) -> Any:
    """The tokenizer whose pieces lie in `folder`.

    Raises:
        ValueError: when the file is damaged.
    """
    from transformers import T5TokenizerFast

    pieces, table = read_pieces((folder / NAME).read_bytes())
    settings = {name: _text(value) for name, value in _config(folder).items() if name in KEPT}
    extra = int(settings.get("extra_ids", 100))
    pieces += [(f"<extra_id_{number}>", 0.0) for number in reversed(range(extra))]
    return T5TokenizerFast(vocab=pieces, _spm_precompiled_charsmap=table or None, **settings)


def read_pieces(data: bytes) -> tuple[list[tuple[str, float]], bytes]:
    """Pieces with their scores, in the order of their numbers, and the normalizer's table (may be empty).

    Raises:
        ValueError: when `data` is no such message or is cut off.
    """
    pieces: list[tuple[str, float]] = []
    table = b""
    for number, content in _fields(data):
        if number == PIECE:
            inner = dict(_fields(content))
            if TEXT not in inner:
                raise ValueError(f"piece {len(pieces)} has no text")
            pieces.append((inner[TEXT].decode("utf-8"), _score(inner.get(SCORE, bytes(4)))))
        elif number == NORMALIZER:
            table = dict(_fields(content)).get(TABLE, b"")
    if not pieces:
        raise ValueError("it holds no pieces")
    return pieces, table


def _score(content: bytes) -> float:
    if len(content) != 4:
        raise ValueError("a score is not of four bytes")
    found: float = struct.unpack("<f", content)[0]
    return found


def _fields(data: bytes) -> Iterator[Field]:
    """Number and content of each field of a message; numbers of variable length are passed over."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            _, at = _varint(data, at)
            continue
        size = {LONG: 8, SHORT: 4}.get(kind)
        if size is None and kind == BYTES:
            size, at = _varint(data, at)
        if size is None or at + size > len(data):
            raise ValueError("it is no SentencePiece model, or is cut off")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("it is no SentencePiece model, or is cut off")


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    found: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    return found


def _text(value: Any) -> Any:
    """A special token is stated as text or as an object that holds it."""
    return value["content"] if isinstance(value, dict) else value
