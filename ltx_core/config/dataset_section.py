"""The dataset's section of the config: from media files to rows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_serializer, field_validator

from ltx_core.config.reference_options import checked_extra, checked_kind
from ltx_core.config.section import Section
from ltx_core.config.source_list import parsed_sources, written_sources
from ltx_core.curation.buckets import Bucket
from ltx_core.curation.options.buckets import AutoBuckets
from ltx_core.curation.options.captions import CaptionOptions
from ltx_core.curation.options.filters import FilterOptions, long_form
from ltx_core.curation.options.masks import AudioMaskOptions, MaskOptions
from ltx_core.curation.options.references import AudioReferenceOptions, ReferenceOptions
from ltx_core.curation.options.scenes import SceneOptions
from ltx_core.curation.options.sources import ObjectStoreOptions, SourceOptions
from ltx_core.media.treatment import Hdr, Interlaced, Treatment

AUTO = "auto"
"""`dataset.buckets` that are chosen."""


class AudioSection(Section):
    """How clips without sound are treated."""

    missing: Literal["mask", "drop", "zeros"] = "mask"
    silent_below: Annotated[float, Field(le=0)] = -60.0
    """dBFS RMS below which a clip counts as silent."""


class HoldoutSection(Section):
    """The held-out split: by source, so that clips of one source never straddle."""

    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: int = 0


class DatasetSection(Section):
    """From media files to rows."""

    source: tuple[SourceOptions, ...] = (SourceOptions("data/footage"),)
    """Where media lie: text, a mapping with `path`, or a list of both."""
    object_store: ObjectStoreOptions = ObjectStoreOptions()
    buckets: tuple[Bucket, ...] = (Bucket(768, 448, 89),)
    """Sizes and lengths of clips; `auto`, here none: chosen from the footage as `auto_buckets` says."""
    auto_buckets: AutoBuckets = AutoBuckets()
    max_upscale: Annotated[float, Field(ge=1)] | None = None
    """How much a picture may be enlarged to its bucket; smaller clips are set aside. None: 1.25 where buckets
    are chosen, any where they are stated."""
    fps: Annotated[float, Field(gt=0)] = 24.0
    hdr: Hdr = "reject"
    """PQ and HLG films: set aside, or `tonemap` to SDR."""
    interlaced: Interlaced = "deinterlace"
    """Films of fields: made whole, kept with their comb, or set aside (`reject`)."""
    duration_buckets: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] | None = None
    """Seconds of a clip in a mode without video; None: those of `buckets` (frames / fps)."""
    trigger: str = ""
    scenes: SceneOptions = SceneOptions()
    filters: FilterOptions = FilterOptions()
    captions: CaptionOptions = CaptionOptions()
    references: ReferenceOptions = ReferenceOptions()
    extra_references: dict[str, ReferenceOptions] = Field(default_factory=dict)
    """Further references by the column that they fill, for further `reference` conditions."""
    masks: MaskOptions = MaskOptions()
    audio_references: AudioReferenceOptions = AudioReferenceOptions()
    audio_masks: AudioMaskOptions = AudioMaskOptions()
    mask_threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    audio: AudioSection = AudioSection()
    holdout: HoldoutSection = HoldoutSection()
    latents_dtype: Literal["bfloat16", "float32"] = "bfloat16"
    max_rejected_fraction: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of sources and clips that may be set aside; scenes shorter than every bucket
    and clips that a filter sets aside do not count."""

    @field_validator(
        "source", mode="before", json_schema_input_type=str | SourceOptions | list[str | SourceOptions]
    )
    @classmethod
    def _parse_source(cls, value: Any) -> Any:
        return parsed_sources(value)

    @field_serializer("source")
    def _write_source(self, value: tuple[SourceOptions, ...]) -> Any:
        return written_sources(value)

    @field_validator("buckets", mode="before")
    @classmethod
    def _parse_buckets(cls, value: Any) -> Any:
        if value == AUTO:
            return ()
        texts = value.split(";") if isinstance(value, str) else value
        if not texts or not isinstance(texts, list | tuple):
            raise ValueError(
                "no bucket; give at least one, as [768x448x89] (width x height x frames), or write `auto`"
            )
        return [Bucket.parse(text) if isinstance(text, str) else text for text in texts]

    @field_serializer("buckets", mode="wrap")
    def _write_buckets(self, value: tuple[Bucket, ...], handler: SerializerFunctionWrapHandler) -> Any:
        return handler(value) if value else AUTO

    @property
    def auto(self) -> bool:
        """Whether the buckets are chosen from the footage."""
        return not self.buckets

    @field_validator("filters", mode="before")
    @classmethod
    def _whole_filters(cls, value: Any) -> Any:
        return long_form(value)

    @field_validator("references", mode="before")
    @classmethod
    def _kind_that_can_be_made(cls, value: Any) -> Any:
        return checked_kind(value)

    @field_validator("extra_references", mode="before")
    @classmethod
    def _stated_references(cls, value: Any) -> Any:
        return checked_extra(value)

    @field_validator("duration_buckets", mode="after")
    @classmethod
    def _some_durations(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and not value:
            raise ValueError(
                "no duration; give at least one in seconds, as [1.125, 5.0], or leave it out for those of "
                "`buckets`"
            )
        return value

    @property
    def treatment(self) -> Treatment:
        """What is done with films that are no plain SDR frames."""
        return Treatment(self.hdr, self.interlaced)

    @property
    def durations(self) -> tuple[float, ...]:
        """Seconds of the clips of a mode without video."""
        if self.duration_buckets is not None:
            return tuple(sorted(set(self.duration_buckets)))
        films = [bucket for bucket in self.buckets if bucket.frames > 1] or self.buckets
        return tuple(sorted({bucket.seconds(self.fps) for bucket in films}))
