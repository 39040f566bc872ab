"""Every distinct text goes through the text encoder once, whatever training and sampling need it for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from zoo.words import gemma_tokenizer

from ltx_core.config.load import load
from ltx_core.models.text import TextCodec
from ltx_core.run import Pipeline
from ltx_core.stages.prompts import encode_prompts

ROOT = Path(__file__).parents[3]
SETTINGS = (
    "engine.threads=1",
    "acceleration.threads=1",
    "optimization.batch_size=2",
    "optimization.warmup_steps=0",
    "optimization.steps=3",
    "optimization.caption_dropout=0.5",
    "validation.interval=null",
)


@pytest.fixture
def encoded(monkeypatch):
    """The captions that the text encoder was given, in order."""
    found, encode = [], TextCodec.encode

    def counted(self, caption):
        found.append(caption)
        return encode(self, caption)

    monkeypatch.setattr(TextCodec, "encode", counted)
    return found


@pytest.fixture
def source(tmp_path):
    """Two films, whose captions are equal."""
    folder = tmp_path / "footage"
    folder.mkdir()
    for name in ("wide", "blink"):
        (film,) = (path for path in (ROOT / "data" / "footage").glob(f"{name}.*") if path.suffix == ".mp4")
        shutil.copy(film, folder)
        (folder / f"{name}.txt").write_text("a red circle moves left")
    return folder


def run(workspace, source, *overrides, until="train"):
    settings = [f"workspace={workspace}", f"dataset.source={source}", *SETTINGS, *overrides]
    pipe = Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", settings, ROOT))
    for stage in pipe.stages(until):
        for chunk in pipe.plan(stage).chunks:
            pipe.compute(stage, chunk)
    pipe.context.refresh()
    return pipe


def test_equal_captions_the_trigger_and_dropped_captions_cost_no_further_encode(encoded, source, tmp_path):
    pipe = run(tmp_path, source, "dataset.trigger=striped style")
    validation = pipe.config.validation
    wanted = {"", validation.negative_prompt, *(sample.prompt for sample in validation.samples)}
    captions = [row.columns["caption"] for _, row in pipe.context.results("captions")]
    assert len(captions) > 1 and set(captions) == {"a red circle moves left"}
    assert sorted(encoded) == sorted(wanted | {"a red circle moves left, striped style"})
    encoded.clear()
    run(tmp_path, source, "dataset.trigger=striped style", "optimization.caption_dropout=1.0")
    encode_prompts(pipe.context, ["", validation.negative_prompt])
    assert encoded == []
    run(tmp_path, source, "dataset.trigger=dotted style", until="text")
    assert encoded == ["a red circle moves left, dotted style"]


@pytest.mark.parametrize("adds_bos", [True, False])
def test_the_begin_mark_comes_first_and_once(adds_bos):
    tokenizer = gemma_tokenizer(32, adds_bos)
    begin = tokenizer.bos_token_id
    assert (tokenizer("red")["input_ids"][0] == begin) == adds_bos
    codec = TextCodec(tokenizer, encoder=None, projections=None, limit=32)
    ids, dropped = codec.tokens("  red ")
    assert ids == [begin, *tokenizer("red", add_special_tokens=False)["input_ids"]] and dropped == 0
    assert codec.tokens("") == ([begin], 0)
    long, dropped = codec.tokens("x" * 40)
    assert (len(long), long[0], dropped) == (32, begin, 9)
    assert torch.tensor(long[1:]).ne(begin).all()
