"""Random cases for the properties of conditions: a strategy, a batch with its content, the model's factors.

The kinds come from `CONDITIONS`: a condition that is added is tested without a change here, unless it has
fields without a default; those get a strategy in `FIELDS`.
"""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from ltx_core.assemble import Batch, Scales, assemble
from ltx_core.conditions import CONDITIONS
from ltx_core.geometry.grid import AudioScale, VideoScale
from ltx_core.modes import Strategy
from ltx_core.training.draws import Draws
from ltx_core.training.step import prepare

MODALITIES = ("video", "audio")
KINDS = [(c, m) for c in CONDITIONS for m in MODALITIES if m in c.modalities]
REFUSED = [(c, m) for c in CONDITIONS for m in MODALITIES if m not in c.modalities]
HOLDING = [(c, m) for c, m in KINDS if not c.attaches]
RATES = (8.0, 24.0, 29.97)


def kind(condition):
    return condition.model_fields["type"].default


def names(kinds):
    return [f"{kind(condition)}-{modality}" for condition, modality in kinds]


class Shape:
    """A random grid of both modalities."""

    def __init__(self, draw):
        self.size = draw(st.integers(1, 3))
        self.frames, self.height, self.width = (
            draw(st.integers(2, 5)),
            *(2 * draw(st.integers(1, 2)) for _ in "hw"),
        )
        self.steps = draw(st.integers(2, 9))
        self.scale = VideoScale(
            draw(st.sampled_from([4, 8])), *(draw(st.sampled_from([16, 32])) for _ in "hw")
        )
        self.fps = torch.tensor([draw(st.sampled_from(RATES)) for _ in range(self.size)], dtype=torch.float64)
        self.generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))

    @property
    def scales(self):
        return Scales(self.scale, AudioScale(16000, 160, 4))

    def latents(self, modality, frames=None, space=1):
        if modality == "audio":
            return torch.randn(self.size, 2, self.steps, 3, generator=self.generator)
        shape = (frames or self.frames, self.height // space, self.width // space)
        return torch.randn(self.size, 4, *shape, generator=self.generator)


def boundary(draw, shape, modality):
    most = (shape.frames if modality == "video" else shape.steps) - 1
    return {"temporal_boundary": draw(st.integers(1, most))}


def region(draw, shape, modality):
    """A rectangle that covers at least one cell wholly, and neighbours in part."""
    corners = []
    for cells, side in ((shape.height, shape.scale.height), (shape.width, shape.scale.width)):
        first = draw(st.integers(0, cells - 1))
        last = draw(st.integers(first + 1, cells))
        spare = draw(st.integers(0, side - 1)), draw(st.integers(0, side - 1))
        corners.append((max(0, first * side - spare[0]), last * side + spare[1]))
    (y1, y2), (x1, x2) = corners
    return {"spatial_region": (y1, x1, y2, x2)}


def mask_dir(draw, shape, modality):
    return {"mask_dir": f"{modality}_masks"}


def latents_dir(draw, shape, modality):
    return {"latents_dir": draw(st.sampled_from(["reference_latents", "more_latents"])) + f"_{modality}"}


FIELDS = {
    "prefix": boundary,
    "suffix": boundary,
    "spatial_crop": region,
    "mask": mask_dir,
    "reference": latents_dir,
}
"""type -> function that draws the fields."""


def mask_content(draw, shape, modality):
    cells = (shape.frames, shape.height, shape.width) if modality == "video" else (shape.steps,)
    values = torch.tensor([0.0, 0.0, 0.25, 0.9, 1.0])
    found = values[torch.randint(5, (shape.size, *cells), generator=shape.generator)]
    found.view(shape.size, -1)[:, 0], found.view(shape.size, -1)[:, -1] = 1.0, 0.0
    return found, shape.fps


def reference_content(draw, shape, modality):
    """A reference, of a video perhaps smaller and with fewer frames at a lower rate, each by itself."""
    if modality == "audio":
        return shape.latents(modality), shape.fps
    space = draw(st.sampled_from([1, 2]))
    factors = [n for n in range(1, shape.frames) if (shape.frames - 1) % n == 0]
    time = draw(st.sampled_from(factors))
    return shape.latents(modality, (shape.frames - 1) // time + 1, space), shape.fps / time


CONTENT = {"mask": mask_content, "reference": reference_content}
"""type -> function that draws a column's content and its frame rates."""


@st.composite
def cases(draw, kinds, probability=1.0, shape=None):
    """A case of the conditions `kinds`, (condition, modality) each."""
    shape = shape or Shape(draw)
    present = {modality for _, modality in kinds}
    if draw(st.booleans()):
        present = set(MODALITIES)
    streams = {name: {"conditions": []} for name in MODALITIES if name in present}
    columns, rates = {}, {}
    for condition, modality in kinds:
        fields = FIELDS[kind(condition)](draw, shape, modality) if kind(condition) in FIELDS else {}
        made = condition(probability=probability, **fields)
        if any(column in columns for column in made.columns):
            continue  # two sources may not share one directory
        for column in made.columns:
            columns[column], rates[column] = CONTENT[kind(condition)](draw, shape, modality)
        streams[modality]["conditions"].append(made.model_dump())
    sounding = torch.rand(shape.size, generator=shape.generator) < 0.7
    batch = Batch(
        clip_ids=tuple("abc"[: shape.size]),
        video=shape.latents("video") if "video" in present else None,
        audio=shape.latents("audio") if "audio" in present else None,
        audio_present=sounding if "audio" in present else None,
        fps=shape.fps,
        columns=columns,
        column_fps=rates,
    )
    return Strategy(**streams), batch, shape.scales


def combinations():
    """Two or three conditions of any kinds; one kind once per modality, but for references."""

    def allowed(kinds):
        once = [found for found in kinds if not found[0].attaches]
        return len(once) == len(set(once))

    return st.lists(st.sampled_from(KINDS), min_size=2, max_size=3).filter(allowed)


def prepared(case, options, draws=None):
    strategy, batch, scales = case
    return prepare(
        batch,
        batch.clip_ids,
        draws or Draws(seed=1, step=2),
        lambda found, coins: assemble(strategy, found, scales, coins),
        options,
    )


def row_of(batch, row):
    """One sample of a batch, as a batch."""
    part = [row]
    return Batch(
        clip_ids=(batch.clip_ids[row],),
        video=None if batch.video is None else batch.video[part],
        audio=None if batch.audio is None else batch.audio[part],
        audio_present=None if batch.audio_present is None else batch.audio_present[part],
        fps=batch.fps[part],
        columns={name: value[part] for name, value in batch.columns.items()},
        column_fps={name: value[part] for name, value in batch.column_fps.items()},
    )
