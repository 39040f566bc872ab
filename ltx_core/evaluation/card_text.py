"""The model card: front matter that model hubs read, then what a person wants to know, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from ltx_core.evaluation import card_parts
from ltx_core.evaluation.caption_warnings import caption_warnings
from ltx_core.evaluation.card_facts import CardFacts
from ltx_core.evaluation.card_front import front_matter, kind_of
from ltx_core.evaluation.report import ReportData, changes, verdict
from ltx_core.evaluation.report_tables import (
    influence_sentences,
    influence_table,
    loss_table,
    markdown_table,
    markdown_text,
    number,
    shortened,
)

PLAIN_MODES = ("t2v",)
"""Modes in which the stock pipelines generate what this project's sampler does: nothing is conditioned."""
LIBRARY = {
    "ltx2": ("LTX2Pipeline", "LTX2VideoTransformer3DModel", "video, audio = pipe"),
    "ltxv": ("LTXPipeline", "LTXVideoTransformer3DModel", "(video,) = pipe"),
}
"""Pipeline and transformer of diffusers by family, and how a sample is asked for."""
FOR_PROGRAMS = ("training_strategy", "format", "software", "mode")
"""Metadata of the weights that the card does not repeat: for programs, or said elsewhere in it."""
OWN_SAMPLER = (
    "This was trained with conditioned tokens. Generate with this project's own sampler "
    "(`ltx sample CONFIG`), which attaches and holds them as in training; other programs load the "
    "weights, but give them no reference, no held part and no given modality."
)
SOUND_ALONE = (
    "This was trained on sound alone. Generate with this project's own sampler (`ltx sample CONFIG`), "
    "which makes sound without a video; other programs make one beside it, which it has not learned."
)


def card_text(report: ReportData, metadata: Mapping[str, object], facts: CardFacts | None = None) -> str:
    """The card as Markdown with YAML front matter; texts from outside cannot break out of either.

    Args:
        report: what was measured.
        metadata: what the weights say of themselves.
        facts: licences, samples, training, lineage; None: nothing further is known.
    """
    more = facts or CardFacts()
    parts = [
        front_matter(report.mode, metadata, more),
        f"# {markdown_text(report.title)}",
        f"{markdown_text(verdict(report).sentence)}",
        *(f"> {markdown_text(warning)}" for warning in verdict(report).warnings),
        card_parts.samples(more),
        "## What it is",
        markdown_table(
            [{"": name, "value": number(value)} for name, value in _facts(report, metadata).items()]
        ),
        "## Use",
        _use(report, metadata, more),
        card_parts.files(more),
        *_results(report),
        "## Limits",
        card_parts.limits(report, more),
        card_parts.licences(more),
        "## Data",
        _data(report, more),
        "## Training",
        markdown_table(
            [{"": name, "value": number(value)} for name, value in report.model.items()] or [{"": ""}]
        ),
        card_parts.training(more),
        "## Lineage",
        card_parts.lineage(more),
        "The exact configuration and the lineage are in `lineage.json`, every clip with the digests of its "
        "source and its caption in `lineage/clips.parquet`."
        if more.lineage
        else "The exact configuration and the lineage are in `lineage.json`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(report: ReportData, metadata: Mapping[str, object]) -> dict[str, object]:
    return {
        "mode": report.mode,
        **{
            name.replace("_", " "): value
            for name, value in metadata.items()
            if value not in (None, "") and name not in FOR_PROGRAMS
        },
    }


def _use(report: ReportData, metadata: Mapping[str, object], facts: CardFacts) -> str:
    trigger = str(metadata.get("trigger") or "")
    prompt = f"your prompt, {trigger}" if trigger else "your prompt"
    named = metadata.get("base_model") if facts.base_model is None else facts.base_model
    base = str(named or "path/to/the/base/model")
    lines = []
    if trigger:
        lines.append(f"Put the trigger into the prompt: {markdown_text(trigger)}")
    if report.mode not in PLAIN_MODES:
        lines.append(SOUND_ALONE if report.mode == "t2a" else OWN_SAMPLER)
    lokr = kind_of(metadata) == "lokr"
    if not lokr:
        names = LIBRARY["ltxv" if str(metadata.get("base_model_family")).startswith("ltxv") else "ltx2"]
        lines += ["With diffusers:", _code(_loading(base, prompt, _is_full(metadata), *names))]
    return "\n\n".join([*lines, *([] if _is_full(metadata) else _adapter(lokr))])


def _adapter(lokr: bool) -> list[str]:
    """What ComfyUI does with an adapter, and its strength."""
    scale = "the scale multiplied into the first factor" if lokr else "alpha / rank multiplied into B"
    lower = (
        "lower it by the loader's strength."
        if lokr
        else 'load it with `adapter_name="lora"` and lower it by `pipe.set_adapters("lora", 0.7)`, or by the '
        "loader's strength in ComfyUI."
    )
    return [
        "With ComfyUI: copy `lora.safetensors` into `models/loras` and load it with "
        "*LoraLoaderModelOnly* behind the model; the key names are those of the original checkpoint, "
        f"with {scale}.",
        f"Strength 1 is what was trained and measured; nothing else was. Where it does too much, {lower}",
    ]


def _is_full(metadata: Mapping[str, object]) -> bool:
    """Whether the weights are a whole transformer."""
    return metadata.get("training_mode") == "full"


def _loading(base: str, prompt: str, whole: bool, pipeline: str, transformer: str, made: str) -> str:
    opening = f"pipe = {pipeline}.from_pretrained({base!r}, torch_dtype=torch.bfloat16)\n"
    names, before = pipeline, ""
    after = 'pipe.load_lora_weights("path/to/this/folder", weight_name="lora.safetensors")\n'
    if whole:
        names, after = f"{pipeline}, {transformer}", ""
        before = (
            f"transformer = {transformer}.from_pretrained(\n"
            '    "path/to/this/folder", subfolder="transformer", torch_dtype=torch.bfloat16\n)\n'
        )
        opening = opening.replace(", torch_dtype", ", transformer=transformer, torch_dtype")
    return (
        f"import torch\nfrom diffusers import {names}\n\n{before}{opening}{after}"
        f"{made}(prompt={prompt!r}, return_dict=False)"
    )


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _results(report: ReportData) -> list[str]:
    parts = []
    for change in changes(report.heldout):
        rows = loss_table(report.heldout, change.modality)
        parts += [f"## Held-out loss, {change.modality}", markdown_table(rows)]
    if report.influence:
        parts += ["## What each condition does", *map(markdown_text, influence_sentences(report.influence))]
        parts.append(markdown_table(influence_table(report.influence)))
    return parts


def _data(report: ReportData, facts: CardFacts) -> str:
    data = report.dataset
    lines = [
        f"- {data.train:,} clips trained, {data.heldout:,} were held out, {len(data.rejected):,} not used."
    ]
    if data.caption_sources:
        origins = ", ".join(
            f"{shortened(name, 60)} {count:,}" for name, count in data.caption_sources.items()
        )
        lines.append(f"- Captions: {markdown_text(origins)}.")
        lines += [f"- {markdown_text(text)}" for text in caption_warnings(data)]
    if data.silent:
        lines.append(
            f"- {len(data.silent):,} without sound (`missing_audio: {data.missing_audio or 'not used'}`)."
        )
    if facts.aside:
        filters = ", ".join(f"{name} {count:,}" for name, count in facts.aside.items())
        lines.append(f"- Set aside by filters: {markdown_text(filters)}.")
    buckets = ", ".join(f"{b.label}: {b.train + b.heldout:,}" for b in data.buckets)
    if buckets:
        lines.append(f"- Buckets: {markdown_text(buckets)}.")
    return "\n".join(lines)
