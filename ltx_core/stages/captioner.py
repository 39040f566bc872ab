"""Asking the configured captioner: measured facts, a server, or a model in this process.

Answers of servers and models are kept one by one (`captioning.journal`) and taken from there, or from rows
whose answer was cleaned in another way, before anybody is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any

from ltx_core.curation.captioning.answer import JUDGED, NoCaptionError, clean_answer
from ltx_core.curation.captioning.describe import describe
from ltx_core.curation.captioning.describe_sound import describe_sound
from ltx_core.curation.captioning.journal import Answered, Journal
from ltx_core.curation.captioning.ledger import Ledger
from ltx_core.curation.captioning.media_parts import SOUND_RATE, Shown, mono, smaller
from ltx_core.curation.captioning.outcome import EndpointError, Usage
from ltx_core.curation.captioning.served import Served
from ltx_core.media.errors import MediaError, MediaGoneError
from ltx_core.stages.base import unusable
from ltx_core.stages.caption_keys import Wanted, captions_folder
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

REFUSALS = 5
"""Clips in a row that a server may refuse before it has answered once; then the trouble is not the clips'."""

Keep = Callable[[str, Answered], None]


@dataclass(frozen=True)
class Written:
    """A captioner's answer, or why there is none.

    Attributes:
        text: the caption.
        facts: what is known of it.
        problem: why there is none, or "".
        answered: of a server or a model: what it said and what that took.
        unasked: True where the server refused to look at the clip.
    """

    text: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    answered: Answered | None = None
    unasked: bool = False


def written(context: Context, asked: Sequence[Wanted]) -> Iterator[Written]:
    """Answers for clips, in order.

    Raises:
        EndpointError: when the captioner cannot be used at all.
    """
    if not asked:
        return
    captioner = context.config.dataset.captions.captioner
    if captioner == "describe":
        for wanted in asked:
            yield _described(context, wanted.clip)
        return
    journal = Journal(captions_folder(context) / "answers")
    rows = _answered_rows(context)
    journal.sweep(rows.__contains__)
    known = {**rows, **journal.load()}
    with journal.writing() as keep:
        ask = _by_model if captioner == "transformers" else _by_server
        yield from ask(context, asked, known, keep)


def _described(context: Context, clip: Clip) -> Written:
    style = context.config.dataset.captions.describe
    try:
        frames = context.models.frames(clip) if clip.has_picture else None
        wave = _heard(context, clip)
    except MediaError as error:
        return Written(problem=unusable(error))
    if frames is None:
        return Written(*describe_sound(wave, SOUND_RATE))
    return Written(*describe(frames, clip.fps, wave, SOUND_RATE, style))


def _heard(context: Context, clip: Clip) -> NDArray[np.float32] | None:
    """The clip's sound; of damaged sound that the mode does not use, None: it only helps to describe.

    Raises:
        MediaError: of sound that the mode uses, and of a file that cannot be reached.
    """
    try:
        return context.models.sound(clip, SOUND_RATE)
    except MediaGoneError:
        raise
    except MediaError as error:
        if context.config.training_strategy.audio is not None or not clip.has_picture:
            raise
        logger.warning("%s: captioned without its sound, which is damaged (%s)", clip.name, error.reason)
        return None


def _answered_rows(context: Context) -> dict[str, Answered]:
    """Answers that committed rows hold, by what was asked."""
    found = {}
    for row in context.store.rows("captions"):
        columns = row.columns
        if columns.get("asked"):
            fields = {name: columns[name] for name in Answered.__dataclass_fields__ if name in columns}
            found[str(columns["asked"])] = Answered(**fields, problem="" if row.ok else row.reason)
    return found


def _finished(context: Context, said: Answered) -> Written:
    """The caption in an answer."""
    options = context.config.dataset.captions
    facts = {"model": options.model, "prompt_tokens": said.prompt_tokens}
    facts |= {"completion_tokens": said.completion_tokens}
    if said.problem and not said.problem.startswith(JUDGED):  # withheld by the server
        return Written(problem=said.problem, facts=facts, answered=said)
    try:
        return Written(clean_answer(said.raw, options.remove, said.cut), facts, answered=said)
    except NoCaptionError as error:
        return Written(problem=str(error), facts=facts, answered=said)


def _shown(context: Context, wanted: Wanted) -> Shown:
    clip = wanted.clip
    frames = context.models.frames(clip) if clip.has_picture else None
    wave = _heard(context, clip)
    return Shown(frames, clip.fps, wave, SOUND_RATE, wanted.prompt, clip.name)


def _by_server(
    context: Context, asked: Sequence[Wanted], known: dict[str, Answered], keep: Keep
) -> Iterator[Written]:
    options, stopped = context.config.dataset.captions, Event()

    def ask(server: Served, wanted: Wanted) -> Written:
        if stopped.is_set():  # nobody reads this: the error of an earlier clip ends the run
            return Written()
        if wanted.asked in known:
            return _finished(context, known[wanted.asked])
        try:
            clip = _shown(context, wanted)
            answer = server.caption(clip.frames, clip.fps, clip.wave, clip.rate, clip.prompt)
        except MediaError as error:
            return Written(problem=unusable(error))
        except NoCaptionError as error:
            if error.unasked or not error.usage.requests:
                return Written(problem=str(error), unasked=error.unasked)
            problem = "" if str(error).startswith(JUDGED) else str(error)
            said = _counted(server, error.raw, error.usage, problem=problem)
        except EndpointError as error:
            stopped.set()
            raise EndpointError(f"{wanted.clip.name}: {error}") from error
        else:
            usage = Usage(answer.prompt_tokens, answer.completion_tokens, answer.requests)
            said = _counted(server, answer.raw, usage, sent=answer.sent, cut=answer.cut)
        keep(wanted.asked, said)
        return _finished(context, said)

    with _server(context) as server, ThreadPoolExecutor(options.concurrency) as pool:
        answers = pool.map(lambda wanted: ask(server, wanted), asked)
        try:
            yield from _believed(answers, proven=any(not said.problem for said in known.values()))
        finally:  # whoever reads no further wants nobody asked
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _server(context: Context) -> Served:
    from ltx_core.curation.captioning.endpoint import Endpoint
    from ltx_core.curation.captioning.gemini import Gemini

    options = context.config.dataset.captions
    ledger = Ledger(options, captions_folder(context) / "spent.jsonl")
    return (Gemini if options.captioner == "gemini" else Endpoint)(options, ledger=ledger)


def _counted(server: Served, raw: str, usage: Usage, problem: str = "", **fields: Any) -> Answered:
    tokens = usage.prompt_tokens, usage.completion_tokens
    return Answered(raw, problem, *tokens, usage.requests, server.ledger.cost(usage), **fields)


def _believed(answers: Iterator[Written], proven: bool) -> Iterator[Written]:
    """The answers, those of a server that has only refused held back until it proves to be of use.

    Raises:
        EndpointError: when it refuses one clip after the other.
    """
    held: list[Written] = []
    for answer in answers:
        if proven or not (answer.unasked or held):
            proven = proven or bool(answer.text)
            yield answer
            continue
        held.append(answer)
        if answer.text:
            proven = True
        elif sum(found.unasked for found in held) >= REFUSALS:
            raise EndpointError(
                f"the captioner refused each of the first {REFUSALS} clips ({answer.problem}); change "
                "dataset.captions so that it takes them: images, longest_side, max_tokens, model"
            )
        if proven:
            yield from held
            held = []
    yield from held


def _by_model(
    context: Context, asked: Sequence[Wanted], known: dict[str, Answered], keep: Keep
) -> Iterator[Written]:
    """Captions of the model in this process, some clips at a time."""
    size = context.config.dataset.captions.batch_size
    for group in (asked[start : start + size] for start in range(0, len(asked), size)):
        found: dict[int, Written] = {}
        shown: dict[int, Shown] = {}
        for number, wanted in enumerate(group):
            if wanted.asked in known:
                found[number] = _finished(context, known[wanted.asked])
                continue
            try:
                shown[number] = _shown(context, wanted)
            except MediaError as error:
                found[number] = Written(problem=unusable(error))
        if shown:
            answers = _model_answers(context, list(shown.values()))
            for number, said in zip(shown, answers, strict=True):
                if said is None:
                    found[number] = Written(problem="silent: there is nothing to describe")
                    continue
                keep(group[number].asked, said)
                found[number] = _finished(context, said)
        yield from (found[number] for number in range(len(group)))


def _model_answers(context: Context, clips: Sequence[Shown]) -> list[Answered | None]:
    """Answers of the model in this process; None for a silence without pictures."""
    from ltx_core.models.captioner.model import Scene

    options, model = context.config.dataset.captions.resolved(), context.models.captioner()
    scenes: dict[int, Scene] = {}
    for number, clip in enumerate(clips):
        frames = None if clip.frames is None else smaller(clip.frames, options.longest_side)
        wave = clip.heard(bool(options.sound) and model.hears)
        if frames is not None or wave is not None:
            sound = None if wave is None else mono(wave, clip.rate)
            scenes[number] = Scene(frames, clip.fps, sound, clip.prompt)
    settings = {**options.extra_body, "sample_fps": options.sample_fps}
    said = model.captions(list(scenes.values()), options.max_tokens, **settings) if scenes else []
    found: list[Answered | None] = [None] * len(clips)
    for (number, scene), one in zip(scenes.items(), said, strict=True):
        kinds = (("video", scene.frames), ("audio", scene.sound))
        sent = "+".join(name for name, content in kinds if content is not None)
        counts = one.prompt_tokens, one.completion_tokens
        found[number] = Answered(one.text, "", *counts, sent=sent, cut=one.cut)
    return found
