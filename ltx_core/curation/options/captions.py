"""Where captions come from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, MinLen

CaptionSource = Literal["column", "sidecar", "captioner", "folder"]
SoundForm = Literal["input_audio", "audio_url"]
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

SERVERS = {
    "endpoint": ("http://127.0.0.1:8000/v1", "OPENAI_API_KEY"),
    "gemini": ("https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY"),
}
"""Captioner behind HTTP -> its usual address and the environment variable of its key."""

PRESETS: dict[str, dict[str, Any]] = {
    "": {"mode": "frames", "sound": True, "sound_form": "input_audio"},
    # The server samples the MP4 by itself and does not hear it: its sound goes beside it.
    "vllm_qwen_omni": {
        "mode": "video",
        "sound": True,
        "sound_form": "audio_url",
        "extra_body": {
            "chat_template_kwargs": {"enable_thinking": False},
            "repetition_penalty": 1.05,
        },
    },
    "vllm_qwen_vl": {"mode": "video", "sound": False, "extra_body": {"repetition_penalty": 1.05}},
}
"""What a kind of server takes; `mm_processor_kwargs.fps` is added from `sample_fps`."""


@dataclass(frozen=True)
class CaptionOptions:
    """Where captions come from.

    Attributes:
        captioner: who writes a caption where the user gave none: nobody, measured facts (`describe`), an
            OpenAI-compatible server (`endpoint`), Google's Gemini (`gemini`) or a model in this process
            (`transformers`).
        order: sources of a caption, the first that has one wins; an edited caption goes before them all.
        base_url: of the server; ends before `/chat/completions` or `/models`. "" is the captioner's usual.
        model: its name at the server; for `transformers`, a model's folder.
        preset: how a kind of server wants its input; what is stated here beside it wins.
        prompt: what is asked: text, or the name of a template (`prompts.TEMPLATES`).
        sound_prompt: what is asked about a sound alone, in a mode without video.
        hint: what you know about the footage; templates and `{hint}` say it.
        mode: send `images` evenly spread frames, or the clip as an MP4 (`video`).
        images: number of frames in mode `frames`.
        sample_fps: frames per second that a model looks at, where it takes a video.
        longest_side: pixels to which what is sent is made smaller; None: the bucket's size.
        sound: send the clip's sound too, where it has some.
        sound_form: how a server takes sound.
        fallback: send frames, or no sound, to a server that refuses videos or sound; it is said once.
        max_tokens, temperature: of the answer.
        remove: further phrases to take off the beginning of an answer.
        extra_body: further fields of the request, as the server knows them.
        api_key_env: the environment variable that holds the key; unset or empty: no key is sent. None is
            the captioner's usual.
        timeout, retries: seconds for one answer, and how often a failed request is sent again.
        attempts: how often a clip is asked about while its answers are empty, refusals or loops.
        concurrency: requests at a time.
        requests_per_minute, tokens_per_minute: what the server allows; None: no limit.
        price_in, price_out: per million tokens sent and received, in any currency.
        max_cost: what all captions of the workspace may cost.
        batch_size: clips at a time in this process.
        describe: words of measured facts: a `paragraph`, or one short `phrase`.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    captioner: Literal["none", "describe", "endpoint", "gemini", "transformers"] = "none"
    order: Annotated[tuple[CaptionSource, ...], MinLen(1)] = ("column", "sidecar", "captioner", "folder")
    base_url: str = ""
    model: str = ""
    preset: Literal["", "vllm_qwen_omni", "vllm_qwen_vl"] = ""
    prompt: str = DEFAULT_PROMPT
    sound_prompt: str = DEFAULT_SOUND_PROMPT
    hint: str = ""
    mode: Literal["frames", "video"] | None = None
    images: Annotated[int, Ge(1)] = 8
    sample_fps: Annotated[float, Gt(0)] = 2.0
    longest_side: Annotated[int, Ge(16)] | None = None
    sound: bool | None = None
    sound_form: SoundForm | None = None
    fallback: bool = True
    max_tokens: Annotated[int, Ge(1)] = 400
    temperature: Annotated[float, Ge(0)] = 0.0
    remove: tuple[str, ...] = ()
    extra_body: dict[str, Any] = field(default_factory=dict)
    api_key_env: str | None = None
    timeout: Annotated[float, Gt(0)] = 120.0
    retries: Annotated[int, Ge(0)] = 4
    attempts: Annotated[int, Ge(1)] = 2
    concurrency: Annotated[int, Ge(1)] = 4
    requests_per_minute: Annotated[int, Ge(1)] | None = None
    tokens_per_minute: Annotated[int, Ge(1)] | None = None
    price_in: Annotated[float, Ge(0)] = 0.0
    price_out: Annotated[float, Ge(0)] = 0.0
    max_cost: Annotated[float, Gt(0)] | None = None
    batch_size: Annotated[int, Ge(1)] = 4
    describe: Literal["paragraph", "phrase"] = "paragraph"

    def __post_init__(self) -> None:
        if re.search(r"[@?#]", self.base_url):  # it is shown in messages, and kept with the run
            raise ValueError(
                "captions.base_url holds a user, a password or a query, which a config may not; write "
                "https://HOST/PATH, and put the key into the environment variable of captions.api_key_env"
            )

    @property
    def server(self) -> str:
        """The server's address."""
        return (self.base_url or SERVERS.get(self.captioner, SERVERS["endpoint"])[0]).rstrip("/")

    @property
    def key_variable(self) -> str:
        """The environment variable of the server's key."""
        usual = SERVERS.get(self.captioner, SERVERS["endpoint"])[1]
        return usual if self.api_key_env is None else self.api_key_env

    def resolved(self) -> CaptionOptions:
        """With what the preset states, where it was left open."""
        preset = PRESETS[""] | PRESETS[self.preset]
        if self.captioner == "gemini":  # it takes a video and hears it
            preset = preset | {"mode": "video"}
        chosen = {name: preset[name] for name in ("mode", "sound", "sound_form") if name in preset}
        stated = {name: getattr(self, name) for name in chosen if getattr(self, name) is not None}
        body = merged(preset.get("extra_body", {}), self.extra_body)
        if self.preset:
            body = merged({"mm_processor_kwargs": {"fps": self.sample_fps}}, body)
        return replace(self, **{**chosen, **stated}, extra_body=body)


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two trees of settings in one; where both state a value, the second counts."""
    both = dict(first)
    for name, value in second.items():
        known = both.get(name)
        both[name] = merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return both
