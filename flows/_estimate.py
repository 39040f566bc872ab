"""What a plan costs, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows._screen import console, duration

if TYPE_CHECKING:
    from ltx_core.stages.estimate import Estimate

NAMES = {
    "text": "text encoder",
    "latents": "video autoencoder",
    "audio_latents": "audio autoencoder",
    "train": "training",
}


def show_estimate(found: Estimate) -> None:
    """Time, device memory and disk; every number is an estimate and says what it leaves out."""
    for name, text in (
        ("time", _time(found)),
        ("device memory", _memory(found)),
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


def _time(found: Estimate) -> str:
    if not found.unknown:
        return f"about {duration(found.seconds)}" if found.seconds else "nothing to compute"
    if not found.seconds:
        return "unknown: nothing was measured in this workspace yet"
    names = ", ".join(found.unknown)
    return f"about {duration(found.seconds)}, and unknown for {names}: not measured in this workspace yet"


def _memory(found: Estimate) -> str:
    parts = ", ".join(f"{NAMES[what]} {amount(size)}" for what, size in found.memory)
    most = amount(max(size for _, size in found.memory))
    return (
        f"{most} of parameters at once ({parts}; {found.trained_parameters:,} that learn); "
        "an estimate, activations come on top"
    )


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
