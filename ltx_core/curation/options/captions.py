"""Where captions come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, MinLen

CaptionSource = Literal["column", "sidecar", "captioner", "folder"]
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
