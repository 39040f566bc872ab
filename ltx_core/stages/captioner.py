"""Asking the configured captioner: measured facts in this process, or an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ltx_core.curation.answer import NoCaptionError
from ltx_core.curation.describe import describe
from ltx_core.curation.describe_sound import describe_sound
from ltx_core.curation.endpoint import SOUND_RATE, Endpoint
from ltx_core.curation.options.captions import CaptionOptions
from ltx_core.media.errors import MediaError
from ltx_core.stages.base import unusable
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context


@dataclass(frozen=True)
class Written:
    """A captioner's answer, or why there is none."""

    text: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


def written(context: Context, clips: Sequence[Clip]) -> Iterator[Written]:
    """Answers for `clips`, in order; a server is asked for several at a time.

    Raises:
        EndpointError: when the server cannot be used at all.
    """
    options = context.config.dataset.captions
    if not clips:
        return
    if options.captioner == "describe":
        for clip in clips:
            yield _described(context, clip)
        return
    yield from _asked(context, clips, options)


def _described(context: Context, clip: Clip) -> Written:
    try:
        frames = context.models.frames(clip) if clip.has_picture else None
        wave = context.models.sound(clip, SOUND_RATE)
    except MediaError as error:
        return Written(problem=unusable(error))
    if frames is None:
        return Written(*describe_sound(wave, SOUND_RATE))
    return Written(*describe(frames, clip.fps, wave, SOUND_RATE))


def _asked(context: Context, clips: Sequence[Clip], options: CaptionOptions) -> Iterator[Written]:
    def ask(endpoint: Endpoint, clip: Clip) -> Written:
        try:
            frames = context.models.frames(clip) if clip.has_picture else None
            wave = context.models.sound(clip, SOUND_RATE)
            answer = endpoint.caption(frames, clip.fps, wave, SOUND_RATE)
        except MediaError as error:
            return Written(problem=unusable(error))
        except NoCaptionError as error:
            return Written(problem=str(error))
        tokens = {"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.completion_tokens}
        return Written(answer.caption, {"model": options.model, **tokens})

    with Endpoint(options) as endpoint, ThreadPoolExecutor(options.concurrency) as pool:
        yield from pool.map(lambda clip: ask(endpoint, clip), clips)
