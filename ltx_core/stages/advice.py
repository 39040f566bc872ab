"""What to change when a plan does not fit its device: the settings that cost the least speed, one by one.

Design choices
- All combinations of batch, recomputation, quantisation and swapping are compared, and the fastest that fits
  is taken: there are a few hundred, and each is arithmetic. Among equally fast ones the least change wins.
- Steps are told in the order of what they cost, each with what it saves and costs on top of those before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from ltx_core.models.quantise.methods import Method
from ltx_core.stages.estimate_memory import Memory
from ltx_core.stages.need import Need
from ltx_core.stages.settings import Settings
from ltx_core.stages.slowdown import Slowdown

EVERY = (8, 4, 3, 2, 1)
"""Recomputation that is tried, from little to all."""
METHODS: tuple[Method, ...] = ("int8", "nf4")
STEPS = ("batch", "budget", "every", "method", "swap")
"""Fields of `Settings` that a step changes."""


@dataclass(frozen=True)
class Step:
    """One change.

    Attributes:
        stage: whose peak it lowers.
        change: overrides of the config, as `acceleration.blocks_to_swap=12`.
        saves: bytes of the stage's peak.
        slower: factor of the time of a sample, 1 for no loss; None: not known.
        note: what else it means, or "".
    """

    stage: str
    change: str
    saves: int
    slower: float | None
    note: str = ""


@dataclass(frozen=True)
class Advice:
    """What to change.

    Attributes:
        steps: in order of the speed that they cost; none where everything fits.
        short: stages that do not fit even so.
        settings: the settings after them.
    """

    steps: tuple[Step, ...]
    short: tuple[str, ...]
    settings: Settings


def advise(memory: Memory, slowdown: Slowdown, usable: int) -> Advice:
    """Changes after which every stage takes at most `usable` bytes of the device."""
    settings = Settings.of(memory.config)
    steps: list[Step] = []
    settings, text = _text(memory, settings, usable)
    settings, pieces = _tiling(memory, settings, usable)
    steps += text + pieces
    if _peak(memory, settings) > usable:
        chosen = min(
            (found for found in _candidates(memory, settings) if _peak(memory, found) <= usable),
            key=lambda found: (round(slowdown.factor(found, settings), 3), _changes(settings, found)),
            default=None,
        )
        smallest = _smallest(memory, settings) if chosen is None else chosen
        steps += _told(memory, slowdown, settings, smallest)
        settings = smallest
    short = tuple(need.stage for need in memory.needs(settings) if need.peak > usable)
    return Advice(tuple(steps), short, settings)


def _peak(memory: Memory, settings: Settings) -> int:
    """Of the stages whose peak these settings change."""
    return max(memory.training(settings).peak, memory.samples(settings).peak)


def _text(memory: Memory, settings: Settings, usable: int) -> tuple[Settings, list[Step]]:
    """The first quantisation of the text encoder with which it fits."""
    need = memory.text(settings)
    if need is None or need.peak <= usable or settings.text_method == "nf4":
        return settings, []
    methods: tuple[Method, ...] = METHODS if settings.text_method is None else ("nf4",)
    tried = [replace(settings, text_method=method) for method in methods]
    peaks = [found.peak for found in map(memory.text, tried) if found is not None]
    index = next((i for i, peak in enumerate(peaks) if peak <= usable), len(tried) - 1)
    change = f"acceleration.text_encoder_quantization={tried[index].text_method}"
    step = Step("text", change, need.peak - peaks[index], None, "captions are encoded once")
    return tried[index], [step]


def _tiling(memory: Memory, settings: Settings, usable: int) -> tuple[Settings, list[Step]]:
    """The video autoencoder in pieces, where the whole does not fit."""
    always, steps = replace(settings, tiling="always"), []
    for whole, cut in zip(_autoencoder(memory, settings), _autoencoder(memory, always), strict=True):
        if whole.peak > usable and cut.peak < whole.peak:
            note = "equal but for rounding"
            step = Step(whole.stage, "acceleration.vae_tiling=always", whole.peak - cut.peak, None, note)
            steps.append(step)
    return (always, steps[:1]) if steps else (settings, [])


def _autoencoder(memory: Memory, settings: Settings) -> list[Need]:
    found = (memory.latents(settings), memory.decoding(settings))
    return [need for need in found if need is not None]


def _candidates(memory: Memory, base: Settings) -> Iterator[Settings]:
    """Settings that take at most as much memory in each respect.

    More is swapped only where every block recomputes: a swapped block does so anyhow, and its way besides.
    """
    blocks = memory.shape.blocks
    for batch, every, method in product(_batches(memory, base), _everies(base), _methods(memory, base)):
        can_swap = every == 1 and memory.gpu and not memory.full and not memory.shared
        for swap in range(base.swap, blocks + 1) if can_swap else (base.swap,):
            yield replace(batch, every=every, method=method, swap=swap)


def _smallest(memory: Memory, base: Settings) -> Settings:
    return min(_candidates(memory, base), key=lambda found: _peak(memory, found))


def _batches(memory: Memory, base: Settings) -> list[Settings]:
    """Smaller batches that accumulate to the same samples per step; of a budget, to about the same tokens."""
    if base.budget is None:
        sizes = [size for size in range(base.batch, 0, -1) if base.batch % size == 0]
        return [replace(base, batch=size, passes=base.passes * base.batch // size) for size in sizes]
    found, least = [base], max(one.all for one in memory.tokens)
    while (budget := (found[-1].budget or 0) // 2) >= least:
        found.append(replace(found[-1], budget=budget, passes=2 * found[-1].passes))
    return found


def _everies(base: Settings) -> list[int]:
    stronger = EVERY if base.every == 0 else tuple(every for every in EVERY if every < base.every)
    return [base.every, *stronger]


def _methods(memory: Memory, base: Settings) -> list[Method | None]:
    if memory.full or memory.width == 4:
        return [base.method]
    if base.method is None:
        return [None, *METHODS]
    return [base.method, *(["nf4"] if base.method in ("int8", "fp8") else [])]  # type: ignore[list-item]


def _changes(base: Settings, found: Settings) -> int:
    return sum(getattr(base, name) != getattr(found, name) for name in STEPS)


def _told(memory: Memory, slowdown: Slowdown, base: Settings, chosen: Settings) -> list[Step]:
    """The way from `base` to `chosen`, the change that costs least first."""
    left = [name for name in STEPS if getattr(base, name) != getattr(chosen, name)]
    steps, now = [], base

    def with_change(name: str) -> Settings:
        passes = chosen.passes if name in ("batch", "budget") else now.passes
        return replace(now, **{name: getattr(chosen, name), "passes": passes})

    while left:
        # Swapping comes after recomputation, which it needs, however little it costs by then.
        ready = [name for name in left if name != "swap" or "every" not in left]
        name = min(ready, key=lambda found: slowdown.factor(with_change(found), now))
        left.remove(name)
        following = with_change(name)
        saved = _peak(memory, now) - _peak(memory, following)
        change, note = _words(name, following)
        steps.append(Step("train", change, saved, slowdown.factor(following, now), note))
        now = following
    return steps


def _words(name: str, settings: Settings) -> tuple[str, str]:
    """Overrides of a change, and what else it means."""
    if name == "batch":
        size, passes = settings.batch, settings.passes
        change = f"optimization.batch_size={size} optimization.gradient_accumulation_steps={passes}"
        return change, "the same gradient"
    if name == "budget":
        passes = settings.passes
        change = (
            f"optimization.batch_tokens={settings.budget} optimization.gradient_accumulation_steps={passes}"
        )
        return change, "about the same samples in a step"
    if name == "every":
        recompute = "optimization.enable_gradient_checkpointing=true optimization.checkpoint_every="
        return f"{recompute}{settings.every}", "the same gradient"
    if name == "method":
        return f"acceleration.quantization={settings.method}", "the base is rounded, the LoRA learns on that"
    return f"acceleration.blocks_to_swap={settings.swap}", "the same gradient"
