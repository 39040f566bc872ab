"""What a plan costs, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows._screen import console, duration, show_table

if TYPE_CHECKING:
    from ltx_core.stages.advice import Step
    from ltx_core.stages.estimate import Estimate, Fit

NAMES = {
    "text": "text encoder",
    "latents": "video autoencoder",
    "audio_latents": "audio autoencoder",
    "train": "training",
    "samples": "samples while training",
    "decode": "their decoding",
}
SMALL_ERROR = 0.005
"""Losses of speed below this are told as none."""


def show_estimate(found: Estimate) -> None:
    """Memory of each stage, then time, tokens and disk; every number is an estimate."""
    _show_fit(found.fit)
    each = f" for each of {found.processes} processes" if found.processes > 1 else ""
    for name, text in (
        ("host memory", f"about {amount(found.host)}{each}"),
        ("time", _time(found)),
        ("learning", _learning(found)),
        ("tokens", _tokens(found)),
        ("disk", _disk(found)),
    ):
        console.print(f"{name:<14} {text}", markup=False)


def amount(count: float) -> str:
    """Bytes for people: `640 KiB`, `12 MiB`, `37.9 GiB`."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 2**10:.0f} KiB"


def fit_line(found: Fit) -> tuple[str, str]:
    """A word and a sentence: whether everything fits, and the first thing to change."""
    most = max(found.needs, key=lambda need: need.peak)
    peak = f"{amount(most.peak)} at most ({NAMES[most.stage]}), an estimate"
    if found.fits:
        return "ok", f"{peak}; {_room(found)}"
    change = f"; first change: {found.advice.steps[0].change}" if found.advice.steps else ""
    return "SHORT", f"{peak}; {_room(found)}{change}; see `ltx plan`"


def _show_fit(found: Fit) -> None:
    usable = found.device.usable
    rows = [
        (
            NAMES[need.stage],
            amount(need.weights),
            amount(need.state) if need.state else "",
            amount(need.activations),
            amount(need.peak),
            "yes" if need.peak <= usable else "NO",
        )
        for need in found.needs
    ]
    show_table("", ("memory at its peak", "weights", "optimizer", "activations", "all", "fits"), rows)
    console.print(f"{'device':<14} {_room(found)}", markup=False)
    if found.fits:
        return
    console.print("to make it fit, in the order of what it costs:", markup=False)
    for step in found.advice.steps:
        console.print(f"  {_step(step, found.measured)}", markup=False)
    if found.advice.short:
        names = ", ".join(NAMES[stage] for stage in found.advice.short)
        console.print(f"  still too large: {names}. Use smaller buckets or more memory", markup=False)


def _room(found: Fit) -> str:
    device = found.device
    kept = ", some kept for the driver" if device.gpu else " free now"
    return f"{device.name}: {amount(device.usable)} can be used{kept}"


def _step(step: Step, measured: bool) -> str:
    cost = ""
    if step.slower is not None:
        loss = max(0.0, step.slower - 1)
        by = "" if measured else ", by nominal speeds"
        cost = ", no slower" if loss < SMALL_ERROR else f", {loss:.0%} slower{by}"
    note = f" ({step.note})" if step.note else ""
    return f"{step.change}: {amount(max(0, step.saves))} less for {NAMES[step.stage]}{cost}{note}"


def _time(found: Estimate) -> str:
    if not found.unknown:
        return f"about {duration(found.seconds)}" if found.seconds else "nothing to compute"
    if not found.seconds:
        return "unknown: nothing was measured in this workspace yet"
    names = ", ".join(found.unknown)
    return f"about {duration(found.seconds)}, and unknown for {names}: not measured in this workspace yet"


def _learning(found: Estimate) -> str:
    count, each = found.trained_parameters, found.moment_bytes / max(1, found.trained_parameters)
    means = f"; the average of the weights 4 more, {found.average}" if found.average else ""
    guess = " (taken to be as AdamW)" if ":" in found.optimizer else ""
    return f"{count:,} numbers; {found.optimizer} keeps {each:.3g} bytes for each{guess}{means}"


def _tokens(found: Estimate) -> str:
    shown = []
    for one in found.tokens:
        kinds = (("video", one.video), ("audio", one.audio), ("attached", one.attached))
        counts = " + ".join(f"{count} {kind}" for kind, count in kinds if count)
        shown.append(f"{one.bucket}: {counts}")
    return "; ".join(shown)


def _disk(found: Estimate) -> str:
    store = "unknown until the films are cut" if found.store_bytes is None else amount(found.store_bytes)
    if found.store_bytes == 0:
        store = "nothing"
    kept = f", checkpoints {amount(found.checkpoint_bytes)}" if found.checkpoint_bytes else ""
    return f"store {store} more{kept}; an estimate" if found.store_bytes else f"store {store}{kept}"
