"""`ltx check`: what needs the disk, checked before anything runs. The schema's validators never touch it."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ltx_core.config.auto_buckets import check_auto
from ltx_core.config.caption_checks import check_captions
from ltx_core.config.imported import check_imported
from ltx_core.config.kind_uses import check_kinds
from ltx_core.config.mode_checks import bucket_grid, check_coverage, check_mode
from ltx_core.config.products import check_beginning
from ltx_core.config.public import notices, refusals
from ltx_core.config.reference_checks import check_references
from ltx_core.config.root import Config
from ltx_core.config.sample_checks import check_samples
from ltx_core.config.sample_spans import check_sample_spans
from ltx_core.config.source_check import check_sources
from ltx_core.config.texts import ENCODER, encoded_texts
from ltx_core.errors import ConfigError, LtxError
from ltx_core.geometry.units import audio_steps
from ltx_core.models.info import ModelInfo
from ltx_core.models.pairs import check_pairs
from ltx_core.models.swap_plan import swapped_blocks

MINIMUM_FREE = 1 << 30
"""Bytes of free disk below which a warning is given (a guess: a few hundred clips and one checkpoint)."""


@dataclass(frozen=True)
class Check:
    """One thing that was checked."""

    name: str
    ok: bool
    detail: str


def preflight(config: Config) -> list[Check]:
    """Every check, in the order in which a run would meet the problem."""
    checks: list[tuple[str, Callable[[Config], str]]] = [
        ("settings", _settings),
        ("source", _source),
        ("model", _model),
        ("load_checkpoint", check_beginning),
        ("mode", check_mode),
        ("samples", check_samples),
        ("conditions of samples", check_sample_spans),
        ("buckets", _buckets),
        ("references and masks", check_kinds),
        ("captions", check_captions),
        ("workspace", _workspace),
        ("disk", _disk),
    ]
    return [_run(name, check, config) for name, check in checks]


def refuse(config: Config) -> list[str]:
    """Refuse what cannot end well, before anything starts.

    Returns:
        Warnings: what a run can begin with all the same (little free disk, what it leaves undone).

    Raises:
        ConfigError: with every check that failed.
    """
    failed = [check for check in preflight(config) if not check.ok]
    if texts := [check.detail for check in failed if check.name != "disk"]:
        raise ConfigError("\n".join(dict.fromkeys(texts)))
    return [*(check.detail for check in failed), *notices(config)]


def _run(name: str, check: Callable[[Config], str], config: Config) -> Check:
    try:
        return Check(name, True, check(config))
    except (LtxError, ValueError, OSError) as error:
        return Check(name, False, str(error))


def _settings(config: Config) -> str:
    if problems := refusals(config):
        raise LtxError("\n".join(problems))
    return "; ".join(notices(config)) or "all of them have an effect"


def _source(config: Config) -> str:
    if config.imported:
        return check_imported(config)
    return check_sources(config)


def _model(config: Config) -> str:
    info = config.model.read()
    info.require("transformer", "vae", *info.context_components, *_encoder(config, info))
    check_pairs(info)
    if config.validation.video_decoder == "diffusion" and "diffusion_decoder" not in info.components:
        raise LtxError(
            f"validation.video_decoder: diffusion, but the model in {info.path} has no diffusion_decoder; "
            "use `vae`, or a model that has one (LTX-2.5)"
        )
    outside = [block for block in config.validation.stg_blocks or () if not 0 <= block < info.blocks]
    if outside:
        near = sorted({min(max(block, 0), info.blocks - 1) for block in outside})
        raise LtxError(
            f"validation.stg_blocks {outside}: the model has the blocks 0 to {info.blocks - 1}, so these "
            f"would guide nothing; nearest: {near}, or leave "
            "`stg_blocks` out for the model's default"
        )
    try:
        swapped_blocks(info.blocks, config.acceleration.blocks_to_swap)
    except ValueError as error:
        raise LtxError(f"acceleration.blocks_to_swap: {error}") from error
    return f"{info.family} {info.version}, {info.blocks} blocks, in {info.path}"


def _encoder(config: Config, info: ModelInfo) -> tuple[str, ...]:
    """The parts that encode texts, unless all texts of the run are imported."""
    if not config.imported or set(ENCODER) <= set(info.components):
        return ENCODER
    if wanted := encoded_texts(config):
        raise LtxError(
            f"the model in {info.path} has no {' and no '.join(set(ENCODER) - set(info.components))}, which "
            f"encodes {', '.join(wanted)}; put it into the model, or change these settings"
        )
    return ()


def _buckets(config: Config) -> str:
    if config.imported:
        return "those of the imported data"
    info, tokens = config.model.read(), []
    if config.training_strategy.video is None:
        return _durations(config, info)
    if config.dataset.auto:
        tokens.append(check_auto(config, info))
    for bucket in config.dataset.buckets:
        tokens.append(f"{bucket} ({bucket_grid(bucket, config.dataset.fps, info).tokens} tokens)")
    check_coverage(config, info)
    check_references(config, info.video_scale)
    return ", ".join(tokens)


def _durations(config: Config, info: ModelInfo) -> str:
    if info.mel is None or info.audio_scale is None:
        return "none: the model has no audio"
    if not config.dataset.durations:
        raise LtxError(
            "dataset.buckets: auto chooses shapes of pictures, and the mode has none; state the lengths of "
            "sound in seconds, as dataset.duration_buckets: [4.0]"
        )
    least = (info.mel.n_fft // 2 + 1) / info.mel.sample_rate
    short = [seconds for seconds in config.dataset.durations if seconds < least]
    if short:
        raise LtxError(
            f"dataset.duration_buckets: {short[0]:g} s of sound are too short for the model; "
            f"use at least {math.ceil(least * 1000) / 1000:g} s"
        )
    check_coverage(config, info)
    found = [(seconds, audio_steps(seconds, info.audio_scale)) for seconds in config.dataset.durations]
    return ", ".join(f"{seconds:g}s ({steps} tokens)" for seconds, steps in found)


def _workspace(config: Config) -> str:
    folder = _existing(config.workspace)
    if not os.access(folder, os.W_OK):
        raise LtxError(
            f"workspace {config.workspace} cannot be written ({folder} is read-only for this user); "
            "set `workspace` to another folder"
        )
    return str(config.workspace)


def _disk(config: Config) -> str:
    free = shutil.disk_usage(_existing(config.workspace)).free
    if free < MINIMUM_FREE:
        raise LtxError(f"only {free / 2**20:.0f} MiB are free in {config.workspace}; free at least 1 GiB")
    return f"{free / 2**30:.0f} GiB free"


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
