"""`checkpoints`: what is saved, how often, and whether a run goes on from it. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt

Format = Literal["diffusers", "merged", "merged-file", "file"]


@dataclass(frozen=True)
class CheckpointOptions:
    """`checkpoints`: what is saved, how often, and whether a run goes on from it.

    Attributes:
        interval: optimizer steps between checkpoints; None saves at the end and on an interrupt only.
        minutes: a checkpoint is saved too when so many minutes have passed since the last; None: never.
        keep_last_n: checkpoints that are kept, -1 for all. Never removed are the newest, the best, and one
            that another run began with.
        keep_best: save at a step whose held-out loss is the lowest so far (`validation.best_metric`), and
            keep that checkpoint beside the newest ones.
        publish: which weights become the run's product: those of the last step, or of the best.
        precision: of the exported weights. The training state is always exact.
        no_resume: begin at step 0 although there is a checkpoint.
        save_training_state: "full" goes on exactly; "minimal" keeps weights and step but not the optimizer's
            moments; "off" keeps nothing to go on from.
        formats: further forms of the weights in the published folder: of a LoRA "diffusers" (with adapter
            metadata), "merged" and "merged-file" (the base's transformer with it); of full training "file".
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    interval: Annotated[int, Gt(0)] | None = None
    minutes: Annotated[float, Gt(0)] | None = None
    keep_last_n: Annotated[int, Ge(-1)] = 1
    keep_best: bool = True
    publish: Literal["last", "best"] = "last"
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    no_resume: bool = False
    save_training_state: Literal["full", "minimal", "off"] = "full"
    formats: tuple[Format, ...] = ()
