"""What comes of asking a captioner: an answer, no caption for this clip, or none at all."""

from __future__ import annotations

from dataclasses import dataclass

from ltx_core.errors import LtxError


def encodable(text: str) -> str:
    """A text that can be stored: halves of surrogate pairs, which JSON can hold, joined or replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class EndpointError(LtxError):
    """The captioner cannot be used: not reached, refused, not understood, or too dear."""


@dataclass(frozen=True)
class Usage:
    """Tokens that a captioner counted, and requests that it answered."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.requests + other.requests,
        )


class NoCaptionError(LtxError):
    """An answer that is no caption; the message is a short reason for the clip's row.

    Attributes:
        raw: what was answered, or "".
        usage: what it took to hear so.
        unasked: True where the server refused to look at the clip.
    """

    def __init__(self, reason: str, raw: str = "", usage: Usage | None = None, unasked: bool = False) -> None:
        self.raw = raw
        self.usage = usage or Usage()
        self.unasked = unasked
        super().__init__(reason)


class UnsupportedError(Exception):
    """The server does not take a kind of input.

    Attributes:
        kind: "video" or "audio".
    """

    def __init__(self, kind: str, said: str) -> None:
        self.kind = kind
        super().__init__(said)


@dataclass(frozen=True)
class Reply:
    """What a server answered to one request.

    Attributes:
        text: the answer, or None where there is none.
        usage: as the server counted; zeros when it does not say.
        cut: whether the answer ends where the tokens ended.
        blocked: why the server withheld an answer, or "".
    """

    text: str | None
    usage: Usage
    cut: bool = False
    blocked: str = ""


@dataclass(frozen=True)
class Answer:
    """A caption.

    Attributes:
        caption: the cleaned text.
        prompt_tokens, completion_tokens: of all requests that it took; guessed when the server says none.
        raw: the answer as it came.
        requests: how often was asked.
        sent: what the captioner saw and heard, such as "video+audio".
        cut: whether it ended where the tokens ended.
    """

    caption: str
    prompt_tokens: int
    completion_tokens: int
    raw: str = ""
    requests: int = 1
    sent: str = ""
    cut: bool = False
