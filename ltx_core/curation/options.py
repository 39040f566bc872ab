"""The options of this room, free of heavy imports: scenes, captions, references, masks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, MinLen

Detector = Literal["adaptive", "content", "threshold", "histogram", "hash", "none"]
CaptionSource = Literal["column", "sidecar", "captioner", "folder"]
DEFAULT_THRESHOLDS: dict[str, float] = {
    "adaptive": 3.5,
    "content": 27.0,
    "threshold": 12.0,
    "histogram": 0.2,
    "hash": 0.35,
}
"""PySceneDetect's own, but for the adaptive detector, whose value did best on its published benchmarks."""
DEFAULT_PROMPT = (
    "Describe this video in one paragraph, in the present tense and in the order in which things happen: "
    "the kind of shot and the movement of the camera, what is seen and what it does, colours, materials "
    "and light, and the sound where there is some. Plain and exact words. Quote what is spoken or "
    "written. No guesses about feelings, no headings, and do not begin with 'The video shows'."
)

DEFAULT_SOUND_PROMPT = (
    "Describe this sound in one paragraph, in the present tense and in the order in which things are heard: "
    "what makes it, voices, music and noises, their loudness, pitch and place. Plain and exact words. Quote "
    "what is spoken. No guesses about feelings, no headings, and do not begin with 'The audio'."
)


@dataclass(frozen=True)
class SceneOptions:
    """How films are split into scenes.

    Attributes:
        detector: PySceneDetect's detector; `none` takes each file as one scene.
        threshold: the detector's; None: `DEFAULT_THRESHOLDS`.
        window: frames before and after that the adaptive detector compares with.
        min_content: smallest change that the adaptive detector takes for a cut.
        fades: also find fades through black, in the same pass.
        min_length: seconds between two cuts; a cut that comes sooner is taken for a flash.
        max_length: seconds; longer scenes are divided into equal parts. None: the buckets alone decide.
        trim: seconds left out on both sides of a cut.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    detector: Detector = "adaptive"
    threshold: Annotated[float, Gt(0)] | None = None
    window: Annotated[int, Ge(1)] = 3
    min_content: Annotated[float, Ge(0)] = 15.0
    fades: bool = True
    min_length: Annotated[float, Ge(0)] = 0.6
    max_length: Annotated[float, Gt(0)] | None = None
    trim: Annotated[float, Ge(0)] = 0.0


@dataclass(frozen=True)
class CaptionOptions:
    """Where captions come from.

    Attributes:
        captioner: who writes a caption where the user gave none: nobody, measured facts (`describe`), or an
            OpenAI-compatible server (`endpoint`).
        order: sources of a caption, the first that has one wins.
        base_url, model: of the server; `base_url` ends before `/chat/completions`.
        prompt: what the server is asked.
        sound_prompt: what it is asked about a sound alone, in a mode without video.
        mode: send `images` evenly spread frames, or the clip as an MP4 (`video`).
        images: number of frames in mode `frames`.
        sound: send the clip's sound too, where it has some.
        max_tokens, temperature: of the answer.
        extra_body: further fields of the request, as the server knows them.
        api_key_env: the environment variable that holds the key; unset or empty: no key is sent.
        timeout, retries: seconds for one answer, and how often a failed request is sent again.
        concurrency: requests at a time.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    captioner: Literal["none", "describe", "endpoint"] = "none"
    order: Annotated[tuple[CaptionSource, ...], MinLen(1)] = ("column", "sidecar", "captioner", "folder")
    base_url: str = "http://127.0.0.1:8000/v1"
    model: str = ""
    prompt: str = DEFAULT_PROMPT
    sound_prompt: str = DEFAULT_SOUND_PROMPT
    mode: Literal["frames", "video"] = "frames"
    images: Annotated[int, Ge(1)] = 8
    sound: bool = True
    max_tokens: Annotated[int, Ge(1)] = 400
    temperature: Annotated[float, Ge(0)] = 0.0
    extra_body: dict[str, Any] = field(default_factory=dict)
    api_key_env: str = "OPENAI_API_KEY"
    timeout: Annotated[float, Gt(0)] = 120.0
    retries: Annotated[int, Ge(0)] = 4
    concurrency: Annotated[int, Ge(1)] = 4


ReferenceKind = Literal["canny", "gray", "blur", "file"]
REFERENCE_FILES = "reference_video"
"""The dataset file's column of a reference; those of further ones begin with it."""


@dataclass(frozen=True)
class ReferenceOptions:
    """The reference video of each clip: made of its own frames, or given.

    Attributes:
        kind: Canny edges (`canny`), brightness (`gray`), the clip out of focus (`blur`), or the dataset
            file's own video (`file`). None: `file` if the dataset file has the column, else `canny`.
        low, high: thresholds of `canny` (0 to 255).
        blur: standard deviation of `blur` in pixels of the bucket.
        column: of the dataset file, for `file`.
        reference_downscale_factor: size of the bucket over that of the reference.
        reference_temporal_scale_factor: frame rate of the bucket over that of the reference; the first and
            the last frame of both are the same.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    kind: ReferenceKind | None = None
    low: Annotated[int, Ge(0), Le(255)] = 60
    high: Annotated[int, Ge(0), Le(255)] = 120
    blur: Annotated[float, Gt(0)] = 4.0
    column: str = REFERENCE_FILES
    reference_downscale_factor: Annotated[int, Ge(1)] = 1
    reference_temporal_scale_factor: Annotated[int, Ge(1)] = 1

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(
                f"canny: low is {self.low}, high {self.high}; low must not be above high: at most {self.high}"
            )
        if not self.column.startswith(REFERENCE_FILES):
            raise ValueError(
                f"column is {self.column!r}; a dataset file's columns of references begin with "
                f"{REFERENCE_FILES}, as {REFERENCE_FILES}_2"
            )


@dataclass(frozen=True)
class MaskOptions:
    """Which part of each clip is generated.

    Attributes:
        kind: drawn from a seed, as moving boxes (`boxes`) or free-form strokes that drift (`strokes`), or the
            `video_mask` of the dataset file (`file`). None: `file` if it has that column, else `boxes`.
        seed: with the clip's id, the source of every number.
        coverage: share of the picture that is generated, about.
        shapes: boxes or strokes in one mask, at most.
        motion: way of each shape over the clip, as a share of the picture's shorter side, at most.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    kind: Literal["boxes", "strokes", "file"] | None = None
    seed: int = 0
    coverage: Annotated[float, Gt(0), Le(0.9)] = 0.3
    shapes: Annotated[int, Ge(1)] = 3
    motion: Annotated[float, Ge(0), Le(1)] = 0.4


@dataclass(frozen=True)
class AudioReferenceOptions:
    """The reference sound of each clip, as long as the clip.

    Attributes:
        kind: the clip's sound muffled (`lowpass`), with noise (`noise`), or the `reference_audio` of the
            dataset file (`file`). None: `file` if the dataset file has that column, else `lowpass`.
        cutoff_hz: frequency above which `lowpass` fades, by 12 dB an octave.
        snr_db: level of the sound above that of the noise.
        seed: with the clip's id, the source of the noise.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    kind: Literal["lowpass", "noise", "file"] | None = None
    cutoff_hz: Annotated[float, Gt(0)] = 1000.0
    snr_db: float = 10.0
    seed: int = 0


@dataclass(frozen=True)
class AudioMaskOptions:
    """Which stretches of a sound are generated.

    Attributes:
        kind: drawn from a seed (`spans`), or the `audio_mask` of the dataset file (`file`). None: `file`
            if the dataset file has that column, else `spans`.
        seed: with the clip's id, the source of every number.
        coverage: share of the clip that is generated.
        spans: stretches in one mask, at most.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    kind: Literal["spans", "file"] | None = None
    seed: int = 0
    coverage: Annotated[float, Gt(0), Le(0.9)] = 0.4
    spans: Annotated[int, Ge(1)] = 2
