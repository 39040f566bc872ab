"""What a report shows, as plain data, and the one sentence that comes first.

Design choices
- The report is a function of this data alone: pictures and videos come in as bytes, nothing is read here.
- A LoRA has helped when its held-out loss is clearly below the base model's; a smaller change is called so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ltx_core.evaluation.browsing.facts import Measure
from ltx_core.evaluation.course import Course
from ltx_core.evaluation.course import warnings as course_warnings
from ltx_core.evaluation.plots import Curve
from ltx_core.evaluation.rows import (
    CLEAR_CHANGE,
    Effect,
    LossRow,
    by_condition,
    decides,
    effect_sentence,
    mean_loss,
)

MODALITIES = ("video", "audio")


@dataclass(frozen=True)
class View:
    """One sample as people look at it.

    Attributes:
        label: "Before", "After", "Reference", ...
        sheet: frames side by side, or the spectrogram of a sound, as PNG or JPEG bytes.
        video: MP4 bytes.
        note: a measured fact, such as the pitch of its sound.
        poster: first frame as PNG or JPEG bytes, shown until the video plays.
        audio: WAV bytes of a sample whose sheet is a spectrogram; played where there is no video.
    """

    label: str
    sheet: bytes | None = None
    video: bytes | None = None
    note: str = ""
    poster: bytes | None = None
    audio: bytes | None = None

    @property
    def playable(self) -> bytes | None:
        """What can be played of it."""
        return self.video or self.audio


@dataclass(frozen=True)
class SampleGroup:
    """Samples of one caption that are compared with each other."""

    caption: str
    views: tuple[View, ...]
    title: str = ""


@dataclass(frozen=True)
class Bucket:
    """How many clips a bucket has on each side of the split."""

    label: str
    train: int
    heldout: int


@dataclass(frozen=True)
class Rejected:
    """Something that was not used, where, and why."""

    what: str
    stage: str
    reason: str


@dataclass(frozen=True)
class DatasetFacts:
    """The dataset at a glance.

    Attributes:
        sources: source files that gave at least one clip.
        buckets: clips per bucket.
        durations: seconds of each clip.
        caption_sources: where captions came from ("sidecar", "describe", ...) -> clips.
        shared_captions: captions that many clips share -> those clips.
        caption_usage: tokens, requests and cost of captions that a server or a model wrote; "" for none.
        rejected: sources, clips or rows with status rejected.
        silent: ids of clips without sound.
        missing_audio: "mask", "drop" or "zeros": what becomes of them; "" when the mode has no audio.
        truncated: clip id -> tokens of its caption that the text encoder could not take.
        measures: sizes, lengths, rates and every score of the clips.
        strip: a frame of some clips side by side, as PNG or JPEG bytes.
        page: address of the page to browse the dataset by, relative to the report; "" where there is none.
        prior: clips that train and are no subject of it: those of regularisation sources.
    """

    sources: int = 0
    buckets: tuple[Bucket, ...] = ()
    durations: tuple[float, ...] = ()
    caption_sources: Mapping[str, int] = field(default_factory=dict)
    shared_captions: Mapping[str, int] = field(default_factory=dict)
    caption_usage: str = ""
    rejected: tuple[Rejected, ...] = ()
    silent: tuple[str, ...] = ()
    missing_audio: str = ""
    truncated: Mapping[str, int] = field(default_factory=dict)
    measures: tuple[Measure, ...] = ()
    strip: bytes | None = None
    page: str = ""
    prior: int = 0

    @property
    def train(self) -> int:
        """Clips that train."""
        return sum(bucket.train for bucket in self.buckets)

    @property
    def heldout(self) -> int:
        """Clips that are held out."""
        return sum(bucket.heldout for bucket in self.buckets)


@dataclass(frozen=True)
class StageTime:
    """What one stage did: rows in total, of them computed now and taken from the store, seconds, rejected."""

    stage: str
    rows: int
    computed: int
    cached: int
    seconds: float
    rejected: int = 0


@dataclass(frozen=True)
class ReportData:
    """Everything in a report.

    Attributes:
        title: the run's name.
        mode: the training mode, "t2v", "v2v_ic", ...
        created: date and time as text.
        heldout: rows of `heldout_loss` of both models.
        course: the evaluations while it trained.
        curves: training loss per modality.
        learning_rate: (step, rate).
        samples: before and after.
        influence: what each condition and each given modality does; empty for a mode without any.
        influence_samples: the samples behind them.
        dataset: the dataset at a glance.
        model: facts on the base model and the LoRA, in the order shown.
        config_yaml: the exact resolved config.
        lineage: dataset digest, code version, row counts, ...
        stages: what each stage did and how long it took.
        notes: warnings of the stages, one sentence each.
    """

    title: str
    mode: str
    created: str = ""
    heldout: tuple[LossRow, ...] = ()
    course: Course = field(default_factory=Course)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    learning_rate: Curve = ()
    samples: tuple[SampleGroup, ...] = ()
    influence: tuple[Effect, ...] = ()
    influence_samples: tuple[SampleGroup, ...] = ()
    dataset: DatasetFacts = field(default_factory=DatasetFacts)
    model: Mapping[str, str | int | float] = field(default_factory=dict)
    config_yaml: str = ""
    lineage: Mapping[str, object] = field(default_factory=dict)
    stages: tuple[StageTime, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """Held-out loss of one modality, base model against LoRA, mean over the levels."""

    modality: str
    base: float
    lora: float

    @property
    def share(self) -> float:
        """Relative change, negative when the LoRA is better."""
        return self.lora / self.base - 1 if self.base else 0.0

    @property
    def better(self) -> bool:
        """Whether the LoRA's loss is clearly lower."""
        return self.share <= -CLEAR_CHANGE

    def sentence(self) -> str:
        """The change in words."""
        numbers = f"from {self.base:.3f} to {self.lora:.3f} ({self.share:+.0%})".replace(
            "-", "\N{MINUS SIGN}"
        )
        if self.better:
            return f"{self.modality} fell {numbers}"
        if self.share >= CLEAR_CHANGE:
            return f"{self.modality} rose {numbers}"
        return f"{self.modality} hardly moved, {numbers}"


@dataclass(frozen=True)
class Verdict:
    """The first thing that a reader sees.

    Attributes:
        good: the loss fell clearly in every modality that was trained, and every condition is followed.
        sentence: what the held-out loss did.
        warnings: what a reader must know before they trust it.
    """

    good: bool
    sentence: str
    warnings: tuple[str, ...]


def changes(rows: tuple[LossRow, ...]) -> list[Change]:
    """Base against LoRA for each modality that both were measured in."""
    found = []
    for modality in MODALITIES:
        base, lora = (mean_loss(rows, modality, model) for model in ("base", "lora"))
        if base is not None and lora is not None:
            found.append(Change(modality, base, lora))
    return found


def verdict(report: ReportData) -> Verdict:
    """The verdict on a run: from the held-out loss, and from what its conditions do."""
    found = changes(report.heldout)
    if not found:
        warning = "No clip was held out, so nothing shows how the LoRA does on footage that it has not seen."
        return Verdict(False, "The held-out loss was not measured.", (warning, *report.notes))
    sentence = f"Held-out loss: {', '.join(change.sentence() for change in found)}."
    warnings = [
        f"The LoRA is no clear improvement in {change.modality} on clips that it has not seen. "
        "Train longer, lower the learning rate, or look at the loss curves and the captions."
        for change in found
        if not change.better
    ]
    for rows in by_condition(report.influence).values():
        sentence_of = effect_sentence(rows)
        if sentence_of and not decides(rows):
            warnings.append(sentence_of)
    warnings += course_warnings(report.course)
    return Verdict(not warnings, sentence, (*warnings, *report.notes))
