"""The page of references and masks says what the lists of kinds say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from ltx_core.config.kinds_tables import PAGE, TABLES, marks, renewed
from ltx_core.config.load import load
from ltx_core.curation.options.masks import AudioMaskOptions, MaskOptions
from ltx_core.curation.options.references import AudioReferenceOptions, ReferenceOptions
from ltx_core.errors import ConfigError, LtxError

ROOT = Path(__file__).parents[3]
OPTIONS = {
    "dataset.references": ReferenceOptions,
    "dataset.audio_references": AudioReferenceOptions,
    "dataset.masks": MaskOptions,
    "dataset.audio_masks": AudioMaskOptions,
}


def test_the_page_of_kinds_is_not_stale():
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert renewed(page) == page, "run `make docs`"
    with pytest.raises(LtxError, match=r"has no marks <!-- dataset\.masks: begin"):
        renewed(page.replace(marks("dataset.masks")[0], ""))


@pytest.mark.parametrize("section", list(OPTIONS))
def test_every_option_of_every_kind_is_an_option_of_the_config(section):
    stated = {field.name: field.default for field in fields(OPTIONS[section])}
    for kind in TABLES[section].listed:
        own = {field.name: field.default for field in fields(kind.options)}
        assert own == {name: stated[name] for name in own}  # one default, whoever shares the name
        assert kind.make is not None or kind.name == "file"
        assert {option.name for option in kind.models} | ({kind.function} - {""}) <= set(own)
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert all(f"\n| `{kind.name}`" in page for kind in TABLES[section].listed)


@pytest.mark.parametrize(
    ("mode", "override", "message"),
    [
        ("video_inpainting", "dataset.masks.kind=circles", r"dataset\.masks\.kind: .*'sam2'"),
        ("a2a_ic", "dataset.audio_references.kind=robot", r"dataset\.audio_references\.kind: .*'pitch'"),
        ("audio_inpainting", "dataset.audio_masks.kind=loud", r"dataset\.audio_masks\.kind: .*'energy'"),
        ("v2v_ic", "dataset.references.kind=edges", r"dataset\.references: .*'edges' .* canny, depth, pose"),
        (
            "video_inpainting",
            "dataset.masks={kind: sam2, prompt: box}",
            "prompt is box, and no box is stated",
        ),
        ("v2v_ic", "dataset.references.widht=3", r"dataset\.references\.widht: unknown key"),
    ],
)
def test_a_kind_or_option_that_does_not_exist_is_refused_with_those_that_do(mode, override, message):
    with pytest.raises(ConfigError, match=message):
        load(ROOT / "configs" / f"{mode}_lora.yaml", [override], ROOT)
