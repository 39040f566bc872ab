"""file: the sound that the dataset file gives."""

from __future__ import annotations

from dataclasses import dataclass

from ltx_core.curation.kinds import FILE, Kind


@dataclass(frozen=True)
class AudioFileOptions:
    """None."""


AUDIO_GIVEN = Kind(FILE, "the `reference_audio` of a dataset file", AudioFileOptions, of_clip=False)
