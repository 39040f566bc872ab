"""What a lever does to samples of held-out clips: few measures for each kind of condition.

Design choices
- Right is compared with wrong and withheld of the same LoRA, never the base model with the LoRA: most of what
  a LoRA gains over the base is getting used to the mode, which wrong content shows just as well.
- The clip itself is what its stored latents decode to, so that the autoencoder's own error is not measured.
- A wrong sample is also compared with the clip whose content it was given: what follows it is near that one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ltx_core.evaluation.metrics import (
    Frames,
    centre_distance,
    edge_f1,
    grey_change,
    motion_distance,
    psnr,
)
from ltx_core.evaluation.rows import LOSS, VARIANTS, Effect
from ltx_core.evaluation.sound_metrics import pitch_distance, sound_distance
from ltx_core.media.audio import Wave

Edges = Callable[[Frames], NDArray[np.generic]]
"""Frames `[F, H, W, 3]` -> edge maps `[F, H, W]` or `[F, H, W, 3]`; the run's own reference function."""
Better = Literal["lower", "higher", ""]
SPANS = ("first_frame", "prefix", "suffix")
REGIONS = ("mask", "spatial_crop")
DRIFT = "largest change of a held latent"
SEED_CHANGE = "change of the generated part with another seed"
SWAP_CHANGE = "change by another clip's content"
COLUMNS = ("right", "wrong", "followed", "withheld")
MOST_DB = 99.0
"""What the likeness of equal pictures counts as."""


@dataclass(frozen=True)
class Media:
    """One clip as people see and hear it: frames uint8 `[F, H, W, 3]`, and a wave `[2, S]` at `rate`."""

    frames: Frames | None = None
    wave: Wave | None = None
    rate: int = 0


@dataclass(frozen=True)
class Region:
    """Where a holding condition acts on one clip.

    Attributes:
        kept: what is held: pixels `[F, H, W]`, or equal parts of the time `[T]`; bool.
        near: what is looked at beside it: next to a held span, else all that is generated.
    """

    kept: NDArray[np.bool_]
    near: NDArray[np.bool_]


@dataclass(frozen=True)
class Comparison:
    """The samples of one clip.

    Attributes:
        true: the clip itself.
        samples: one by variant, equal but for the lever; "seed" with other noise, "cut" with another clip's
            content of a given modality that is withheld all the same.
        given: the clip whose content the wrong sample was given.
        region: of a holding condition.
        drift: largest change of a held latent by variant, 0 where it came back as it was.
    """

    true: Media
    samples: Mapping[str, Media]
    given: Media | None = None
    region: Region | None = None
    drift: Mapping[str, float] = field(default_factory=dict)


Value = Callable[[Media, Media, Region | None], float]


@dataclass(frozen=True)
class Measure:
    """A number about a sample and what it is compared with.

    Attributes:
        name: what it is, with its unit.
        better: "lower", "higher", or "" where it judges nothing.
        of: sample, other, region -> the number; NaN where there is none.
        to_right: compared with the right sample instead of the clip.
    """

    name: str
    better: Better
    of: Value
    to_right: bool = False


def measures(kind: str, modality: str, edges: Edges | None = None) -> list[Measure]:
    """What is measured of a lever.

    Args:
        kind: the condition's type, or "given".
        modality: the generated one whose samples are looked at.
        edges: of a run whose references are edges.
    """
    found = _picture(kind, edges) if modality == "video" else _sound(kind)
    change = _PICTURE_CHANGE if modality == "video" else _SOUND_CHANGE
    return [*found, change]


class Tally:
    """The rows of one lever, clip by clip: of a comparison only numbers are kept.

    Args:
        key: the lever's.
        chosen: `measures` of its kind.
    """

    def __init__(self, key: str, chosen: Sequence[Measure]) -> None:
        self.key, self.chosen = key, chosen
        self.clips = 0
        self._found: dict[str, dict[str, list[float]]] = {}
        self._better: dict[str, Better] = {measure.name: measure.better for measure in chosen}
        self._worst: dict[str, float] = {}

    def add(self, found: Comparison) -> None:
        """Measure the samples of one clip."""
        self.clips += 1
        for measure in self.chosen:
            own = "right" if measure.to_right else "true"
            pairs: dict[str, tuple[str, str]] = {variant: (variant, own) for variant in VARIANTS}
            if not measure.to_right:
                pairs["followed"] = ("wrong", "given")
            self._note(measure.name, measure, pairs, found)
        change = self.chosen[-1]
        unit = change.name.rsplit(", ", 1)[1]
        if "seed" in found.samples:
            self._note(f"{SEED_CHANGE}, {unit}", change, {"right": ("seed", "right")}, found)
        if "cut" in found.samples:
            pairs = {"right": ("wrong", "right"), "withheld": ("cut", "withheld")}
            self._better[f"{SWAP_CHANGE}, {unit}"] = "higher"
            self._note(f"{SWAP_CHANGE}, {unit}", change, pairs, found)
        for variant, value in found.drift.items():
            self._worst[variant] = max(value, self._worst.get(variant, 0.0))

    def rows(self, losses: Mapping[str, float], loss_clips: int) -> list[Effect]:
        """Held-out loss by variant (over the same tokens), the measures, what came of held latents."""
        rows = [self._effect(LOSS, losses, loss_clips, "lower")] if losses else []
        for name, values in self._found.items():
            means = {variant: math.fsum(found) / len(found) for variant, found in values.items() if found}
            rows.append(self._effect(name, means, self.clips, self._better.get(name, "")))
        if self._worst:
            rows.append(self._effect(DRIFT, self._worst, self.clips, ""))
        return [row for row in rows if row.right is not None]

    def _note(
        self, name: str, measure: Measure, pairs: Mapping[str, tuple[str, str]], found: Comparison
    ) -> None:
        media = {**found.samples, "true": found.true, "given": found.given}
        for column, (one, other) in pairs.items():
            sample, against = media.get(one), media.get(other)
            if sample is not None and against is not None:
                value = measure.of(sample, against, found.region)
                values = self._found.setdefault(name, {}).setdefault(column, [])
                values += [] if math.isnan(value) else [value]

    def _effect(self, measure: str, found: Mapping[str, float], clips: int, better: Better) -> Effect:
        right, wrong, followed, withheld = (found.get(name) for name in COLUMNS)
        return Effect(self.key, measure, right, wrong, followed, withheld, better, clips)


def _picture(kind: str, edges: Edges | None) -> list[Measure]:
    if kind in SPANS:
        return [
            Measure("likeness of the next frames, PSNR dB", "higher", _pictures(_likeness, "near")),
            Measure(
                "distance of the object in the next frames, px", "lower", _pictures(_next_centre, "near")
            ),
        ]
    if kind in REGIONS:
        return [
            Measure("likeness of the kept part, PSNR dB", "higher", _pictures(_likeness, "kept")),
            Measure("likeness of the generated part, PSNR dB", "", _pictures(_likeness, "near")),
        ]
    if kind != "reference":
        return [Measure("distance of the motion, px", "lower", _whole(motion_distance))]
    found = [Measure("distance of the object, px", "lower", _whole(centre_distance))]
    if edges is not None:
        agreement = _whole(lambda sample, other: edge_f1(edges(sample), edges(other)))
        found.append(Measure("agreement of the edges, F1", "higher", agreement))
    return found


def _sound(kind: str) -> list[Measure]:
    if kind in SPANS:
        return [Measure("distance of the sound next to it, dB", "lower", _sounds(sound_distance, "near"))]
    if kind in REGIONS:
        return [
            Measure("distance of the kept sound, dB", "lower", _sounds(sound_distance, "kept")),
            Measure("distance of the generated sound, dB", "", _sounds(sound_distance, "near")),
        ]
    return [
        Measure("distance of the sound, dB", "lower", _sounds(sound_distance)),
        Measure("distance of the pitch, semitones", "lower", _sounds(pitch_distance)),
    ]


def _pictures(metric: Callable[[Frames, Frames, NDArray[np.bool_] | None], float], part: str = "") -> Value:
    def value(sample: Media, other: Media, region: Region | None) -> float:
        if sample.frames is None or other.frames is None:
            return math.nan
        return metric(sample.frames, other.frames, getattr(region, part) if part and region else None)

    return value


def _sounds(metric: Callable[[Wave, Wave, int, NDArray[np.bool_] | None], float], part: str = "") -> Value:
    def value(sample: Media, other: Media, region: Region | None) -> float:
        if sample.wave is None or other.wave is None:
            return math.nan
        return metric(
            sample.wave, other.wave, sample.rate, getattr(region, part) if part and region else None
        )

    return value


def _likeness(sample: Frames, other: Frames, where: NDArray[np.bool_] | None) -> float:
    return min(MOST_DB, psnr(sample, other, where))


def _next_centre(sample: Frames, other: Frames, where: NDArray[np.bool_] | None) -> float:
    frames = slice(None) if where is None else where.any((1, 2))
    return centre_distance(sample[frames], other[frames])


def _whole(metric: Callable[[Frames, Frames], float]) -> Value:
    return _pictures(lambda sample, other, _: metric(sample, other))


_PICTURE_CHANGE = Measure(
    "change against the right sample, levels of 255", "", _pictures(grey_change, "near"), to_right=True
)
_SOUND_CHANGE = Measure(
    "change against the right sample, dB", "", _sounds(sound_distance, "near"), to_right=True
)
