"""`validation.samples`: what to generate (the public LTX-2 trainer's names).

A condition here names files; the conditions of `training_strategy` name dataset columns. Both become the same
`ltx_core.conditions`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, model_validator

from ltx_core.conditions import AnyFileCondition


class SampleSection(BaseModel):
    """One sample to generate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: str
    conditions: tuple[AnyFileCondition, ...] = ()
    video_dims: tuple[int, int, int] | None = None
    seed: int | None = None

    @model_validator(mode="after")
    def _roles(self) -> SampleSection:
        """A modality cannot be given whole and held in part."""
        whole = [c.gives for c in self.conditions if c.gives is not None]
        if len(whole) > 1:
            raise ValueError(
                f"the conditions give {' and '.join(whole)} whole: nothing is left to generate; "
                "keep one of video_to_audio and audio_to_video"
            )
        for condition in self.conditions:
            holds = condition.gives is None and not condition.attaches
            if holds and condition.modality in whole:
                raise ValueError(
                    f"a {condition.type} condition holds tokens of {condition.modality}, which another "
                    "condition gives whole; remove one of the two"
                )
        return self
