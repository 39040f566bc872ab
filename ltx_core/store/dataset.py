"""A dataset: a Parquet manifest with one row per sample, naming the row of each of its columns.

Its digest names it; a run records that digest and so knows its lineage.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

Split = Literal["train", "heldout", "gap"]
LATER = ("form", "source_fps", "repeats", "weight", "regularisation")
"""Fields that a manifest has only where a sample differs from their defaults."""


@dataclass(frozen=True)
class Sample:
    """One sample.

    Attributes:
        clip_id: the clip.
        name: `film.mp4 #3`, for people.
        source: digest of the source's content.
        split: train, heldout, or gap (between the two where one source gives both).
        bucket: width x height x frames.
        fps: frames per second.
        duration: seconds.
        caption, caption_source: its text and where it came from.
        has_audio: whether it has audio latents.
        no_audio_reason: why not, or "".
        columns: column name -> row key in the stage that fills it.
        form: sizes that do not follow from the bucket (imported data), or "".
        source_fps: frames per second of its source, before it was resampled; 0: not known, or a still.
        repeats, weight: how often an epoch has it: their product, on average over epochs.
        regularisation: whether it only keeps the model as it was.
    """

    clip_id: str
    name: str
    source: str
    split: Split
    bucket: str
    fps: float
    duration: float
    caption: str
    caption_source: str
    has_audio: bool = False
    no_audio_reason: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    form: str = ""
    source_fps: float = 0.0
    repeats: int = 1
    weight: float = 1.0
    regularisation: bool = False

    @property
    def shape(self) -> str:
        """What samples of one batch must share."""
        return f"{self.bucket}@{self.fps:g} {self.form}".rstrip()


def dataset_bytes(samples: Sequence[Sample]) -> bytes:
    """The manifest as Parquet; equal samples give equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    records = []
    told = {name for name in LATER for sample in samples if getattr(sample, name) != getattr(Sample, name)}
    left_out = {"columns", *LATER} - told
    names = sorted({name for sample in samples for name in sample.columns})
    for sample in samples:
        record = {key: value for key, value in asdict(sample).items() if key not in left_out}
        record.update({f"column.{name}": sample.columns.get(name) for name in names})
        records.append(record)
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), sink, compression="zstd")
    return sink.getvalue()


def read_dataset(path: Path) -> list[Sample]:
    """The samples of a manifest."""
    import pyarrow.parquet as pq

    samples = []
    for record in pq.read_table(path).to_pylist():
        columns = {
            name.removeprefix("column."): value
            for name, value in record.items()
            if name.startswith("column.") and value is not None
        }
        plain = {name: value for name, value in record.items() if not name.startswith("column.")}
        samples.append(Sample(columns=columns, **plain))
    return samples
