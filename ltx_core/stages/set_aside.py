"""What was set aside, from files to samples, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ltx_core.evaluation.report import Rejected
from ltx_core.stages.base import NotReadyError
from ltx_core.stages.clips import rejected_cuts
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import rejections, silence_is_kept
from ltx_core.stages.filtered import set_aside as filtered
from ltx_core.stages.sources import repeated_files


def all_rejected(context: Context) -> Iterator[Rejected]:
    """Every source, cut, caption, encoding and imported sample that was set aside, with its reason."""
    if context.config.imported:
        yield from (Rejected(name, "imported", reason) for name, reason in rejections(context))
        return
    for stage, found in all_results(context):
        for item, row in found:
            if not row.ok and not (stage == "audio_latents" and silence_is_kept(context)):
                yield Rejected(item.name, stage, row.reason)
        further = {"sources": repeated_files, "clips": rejected_cuts, "scores": filtered}.get(stage)
        for name, reason in further(context) if further is not None else ():
            yield Rejected(name, stage, reason)


def all_results(context: Context) -> Iterator[tuple[str, list[Any]]]:
    """The stages of the run with their items and rows, up to the first that is not whole."""
    for name in context.registry:
        if context.needs(name):
            try:
                yield name, context.results(name)
            except NotReadyError:
                return
