"""What a report says about a run, gathered from the store and the run's folder."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ltx_core import __version__
from ltx_core.config.root import Config
from ltx_core.evaluation.browsing.facts import in_rounds, measures
from ltx_core.evaluation.browsing.links import INDEX, between
from ltx_core.evaluation.caption_warnings import shared_captions
from ltx_core.evaluation.report import Bucket, DatasetFacts, ReportData, SampleGroup, StageTime
from ltx_core.evaluation.rows import Effect, LossRow
from ltx_core.models.info import ModelInfo
from ltx_core.stages.browse_facts import facts_of, gathered
from ltx_core.stages.browse_frames import contact_strip
from ltx_core.stages.captions import usage_words
from ltx_core.stages.context import Context
from ltx_core.stages.course import course_of
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.factors import factor_metadata
from ltx_core.stages.folder import SUMMARY, folder_of_pages, is_full, lineage_of, product_of, weights_of
from ltx_core.stages.set_aside import all_rejected, all_results
from ltx_core.stages.text import Text, full_text, text_key
from ltx_core.stages.timing import read_timings
from ltx_core.store.dataset import Sample
from ltx_core.training import log

PRECISIONS = {"no": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""What `acceleration.precision` means."""
STRIP_CLIPS = 9
"""Clips of which the report shows a frame."""


@dataclass(frozen=True)
class Measured:
    """What the evaluation found."""

    heldout: tuple[LossRow, ...] = ()
    samples: tuple[SampleGroup, ...] = ()
    influence: tuple[Effect, ...] = ()
    influence_samples: tuple[SampleGroup, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)


def read_measured(folder: Path) -> Measured:
    """The numbers of a committed evaluation, without its samples."""
    found = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    heldout = tuple(LossRow(**row) for row in found["heldout"])
    return Measured(heldout=heldout, influence=tuple(Effect(**row) for row in found["influence"]))


def report_data(context: Context, folder: Path, measured: Measured) -> ReportData:
    """The whole report of the run in `folder`."""
    config = context.config
    row, samples = load_samples(context)
    metrics = log.read_metrics(folder)
    curves: dict[str, tuple[tuple[float, float], ...]] = {
        modality: tuple((row["step"], row[f"loss_{modality}"]) for row in metrics if _finite(row, modality))
        for modality in config.training_strategy.streams
    }
    for name, points in log.read_measured(folder).items():
        curves[f"{name.removeprefix('heldout_')} held out"] = tuple(points)
    counts = {stage: len(found) for stage, found in all_results(context)}
    return ReportData(
        title=config.name,
        mode=config.training_strategy.mode,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        heldout=measured.heldout,
        course=course_of(config, folder),
        curves=curves,
        learning_rate=tuple((row["step"], row["lr"]) for row in metrics),
        samples=measured.samples,
        influence=measured.influence,
        influence_samples=measured.influence_samples,
        dataset=dataset_facts(context, samples, folder),
        model=model_facts(context, folder, len(metrics)),
        config_yaml=(folder / "config.yaml").read_text(encoding="utf-8"),
        lineage={"dataset": row.content_digest, "rows": counts, **lineage_of(folder)},
        stages=tuple(_stage_times(context, counts)),
        notes=measured.notes,
    )


def dataset_facts(context: Context, samples: Sequence[Sample], folder: Path) -> DatasetFacts:
    """The dataset at a glance, with everything that was set aside; `folder` is that of the report."""
    found, page = gathered(context), folder_of_pages(context.config) / INDEX
    clips = [clip for clip in facts_of(found) if clip.split]
    ranked = [found.by_id[clip.clip_id] for clip in in_rounds(clips) if clip.clip_id in found.by_id]
    shown = [clip for clip in ranked if clip.has_picture][:STRIP_CLIPS]
    buckets = Counter(sample.bucket for sample in samples if sample.split == "train")
    heldout = Counter(sample.bucket for sample in samples if sample.split == "heldout")
    with_audio = context.config.training_strategy.audio is not None
    return DatasetFacts(
        sources=len({sample.source for sample in samples}),
        buckets=tuple(Bucket(name, buckets[name], heldout[name]) for name in sorted(buckets | heldout)),
        durations=tuple(sample.duration for sample in samples),
        caption_sources=Counter(sample.caption_source for sample in samples),
        shared_captions=shared_captions(sample.caption for sample in samples),
        caption_usage=_caption_usage(context),
        rejected=tuple(all_rejected(context)),
        silent=tuple(sample.name for sample in samples if not sample.has_audio) if with_audio else (),
        missing_audio=context.config.dataset.audio.missing if with_audio else "",
        truncated=_truncated(context),
        measures=tuple(measures(clips, found.limits)),
        strip=contact_strip(context, shown),
        page=between(folder, page) if page.exists() else "",
        prior=sum(sample.regularisation for sample in samples),
    )


def model_facts(context: Context, folder: Path, steps: int) -> dict[str, str | int | float]:
    """Facts on the base model and what was trained."""
    config, info = context.config, context.info
    size = weights_of(product_of(config, folder)).stat().st_size
    trained: dict[str, str | int | float] = {
        "LoRA rank": config.lora.rank,
        "LoRA alpha": config.lora.alpha,
        "LoRA targets": ", ".join(config.lora.target_modules),
        **config.lora.words(),
    }
    frozen = config.optimization.frozen
    if is_full(config):
        learning = [stream for stream in config.training_strategy.streams if stream not in frozen]
        trained = {"trained": f"every weight of {' and '.join(learning)}"}
    if frozen:
        trained["frozen"] = " and ".join(frozen)
    return {
        "base model": info.path.name,
        "family": f"{info.family} {info.version}",
        "base fingerprint": base_fingerprint(info),
        "base weights": base_weights(config),
        **trained,
        "steps": steps,
        "size of the weights": f"{size / 2**20:.2f} MiB",
        "trigger": config.dataset.trigger or "none",
        "code version": __version__,
    }


def base_weights(config: Config) -> str:
    """How the base's weights were held while it trained, in words."""
    return config.acceleration.base_method or PRECISIONS[config.acceleration.precision]


def base_fingerprint(info: ModelInfo) -> str:
    """Fingerprint of what a LoRA is trained on: the transformer and the connectors in front of it."""
    return info.fingerprint("transformer", "connectors")


def base_quantization(config: Config) -> dict[str, str]:
    """How the base that is trained on and sampled with is quantised; nothing for an exact one."""
    method = config.acceleration.base_method
    return {} if method is None else {"base_quantization": method}


def lora_metadata(context: Context, step: int, dataset: str) -> dict[str, str]:
    """What stands in the header of the LoRA's file; strings, no path."""
    config = context.config
    return {
        "base_model": context.info.path.name,
        "base_model_family": f"{context.info.family} {context.info.version}",
        "base_model_fingerprint": base_fingerprint(context.info),
        **base_quantization(config),
        "mode": config.training_strategy.mode,
        "training_strategy": json.dumps(config.training_strategy.model_dump(mode="json"), sort_keys=True),
        "trigger": config.dataset.trigger,
        "dataset_digest": dataset,
        "step": str(step),
        **_average(config),
        "seed": str(config.seed),
        "software": f"ltx-flows {__version__}",
        "code_version": __version__,
        **factor_metadata(context),
    }


def _average(config: Config) -> dict[str, str]:
    """That the weights are an average over steps, and which, where they are."""
    options = config.optimization
    if options.ema_decay is None:
        return {}
    warm = ", with warm-up" if options.ema_warmup else ""
    every = f", every {options.ema_every} steps" if options.ema_every > 1 else ""
    return {"weights_average": f"exponential, decay {options.ema_decay:g}{every}{warm}"}


def _finite(row: dict[str, Any], modality: str) -> bool:
    loss = row[f"loss_{modality}"]
    return loss is not None and math.isfinite(loss)


def _caption_usage(context: Context) -> str:
    """What captions of a server or a model took, in words."""
    if context.config.imported:
        return ""
    return usage_words([row for _, row in context.results("captions")])


def _truncated(context: Context) -> dict[str, int]:
    """Clips whose caption is longer than the encoder reads, and by how many tokens."""
    stage = context.registry[Text.name]
    texts = {item.key: row for item, row in context.results("text")}
    found = {}
    for item, row in context.results("captions"):
        if row.ok:
            dropped = texts[text_key(context, stage, full_text(context, row))].columns["dropped_tokens"]
            if dropped:
                found[item.name] = int(dropped)
    return found


def _stage_times(context: Context, counts: dict[str, int]) -> Iterator[StageTime]:
    timings = read_timings(context.config.workspace)
    for stage, rows in counts.items():
        computed, seconds = timings.get(stage, (0, 0.0))
        refused = sum(not row.ok for _, row in context.results(stage))
        yield StageTime(stage, rows, min(computed, rows), max(0, rows - computed), seconds, refused)
