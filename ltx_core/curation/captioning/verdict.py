"""What a server's failure means: ask again, this clip, this kind of input, or the whole run.

Servers say it in their own words under few status codes, so the words are looked at; where they are not
known, a refusal before the first answer is the run's and one after it the clip's.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

Kind = Literal["again", "key", "money", "model", "settings", "clip", "video", "audio", "refused"]
RETRY_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_FLAGS = re.IGNORECASE
_KEY = re.compile(
    r"api key not valid|invalid api.?key|incorrect api key|api_key_invalid|unauthenticated", _FLAGS
)
_MONEY = re.compile(r"insufficient_quota|insufficient (credit|balance|funds)|payment required", _FLAGS)
_BILLING = re.compile(r"billing", _FLAGS)
"""Said of an empty account, and by Google also where a minute's quota is used up."""
_DAILY = re.compile(r"per.?day", _FLAGS)
_MODEL = re.compile(
    r"model\b.{0,120}\b(not (exist|found|available)|does not exist|unknown|is not supported for)", _FLAGS
)
_SETTINGS = re.compile(r"max_(completion_)?tokens|maxOutputTokens", _FLAGS)
_LONG = re.compile(
    r"context (length|window|size)|maximum context|too (long|many tokens|large)|token (limit|count)"
    r"|exceeds? the max|longer than the (max|model)|payload size|request size",
    _FLAGS,
)
_POLICY = re.compile(
    r"content.?(policy|filter)|safety|moderation|inappropriate|usage polic|violat\w+.{0,40}polic|flagged",
    _FLAGS,
)
_COMPLAINT = re.compile(
    r"not? support|unsupport|invalid|unknown|unexpected|unrecogni[sz]ed|does not match|does not have"
    r"|at most 0|not allowed|not a multimodal|not multimodal|must be|only|cannot",
    _FLAGS,
)
_PARTS = re.compile(r"content.{0,12}type|content.?part|message content|multimodal|input type", _FLAGS)


@dataclass(frozen=True)
class Verdict:
    """What a failed request means.

    Attributes:
        kind: `again`; a wrong `key`, no `money`, no such `model`, wrong `settings`; the `clip` alone;
            a `video` or `audio` that the server does not take; `refused` for any other reason.
        said: the server's words, in full: who shows them takes secrets out and then shortens them.
        pause: seconds that it asks to wait, or None.
    """

    kind: Kind
    said: str
    pause: float | None = None


def judge(status: int, text: str, headers: Mapping[str, str], sent: frozenset[str]) -> Verdict:
    """What a status other than 200 means.

    Args:
        status: of HTTP, or of the error within an answer.
        text: the answer's body.
        headers: with names in lower case.
        sent: which of "video" and "audio" were in the request.
    """
    said = " ".join(_message(text).split())
    if status == 403 and _POLICY.search(text) and not _KEY.search(text):
        return Verdict("clip", said)
    if status in (401, 403) or _KEY.search(text):
        return Verdict("key", said)
    pause = asked_pause(headers.get("retry-after"), text)
    if status == 402 or (status == 429 and _used_up(text, pause)):
        return Verdict("money", said)
    unsupported = _unsupported(text, sent) if status not in (408, 429, 502, 503, 504) else None
    if unsupported is not None and (status < 500 or "support" in text.lower()):
        return Verdict(unsupported, said)
    if status in RETRY_STATUSES:
        return Verdict("again", said, pause)
    if status == 404 or _MODEL.search(text):
        return Verdict("model", said)
    if status == 413 or (_LONG.search(text) and not _SETTINGS.search(text)) or _POLICY.search(text):
        return Verdict("clip", said)
    return Verdict("settings" if _SETTINGS.search(text) else "refused", said)


def _used_up(text: str, pause: float | None) -> bool:
    """Whether a 429 is of an account or a day: waiting for a while does not help."""
    if _MONEY.search(text) or _DAILY.search(text):
        return True
    return pause is None and bool(_BILLING.search(text))


def _unsupported(text: str, sent: frozenset[str]) -> Literal["video", "audio"] | None:
    """The kind of input that a server complains of: the first of those sent that it names."""
    if not sent or not _COMPLAINT.search(text):
        return None
    low = text.lower()
    # What a server does take is often listed behind the complaint, so the first mention counts.
    places = {kind: low.find(kind) for kind in sorted(sent)}
    named = {kind: place for kind, place in places.items() if place >= 0}
    if named:
        first = min(named, key=lambda kind: named[kind])
    elif _PARTS.search(text):
        first = "video" if "video" in sent else "audio"
    else:
        return None
    return "video" if first == "video" else "audio"


def _message(text: str) -> str:
    """The words of an error in JSON, else the text."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    error = found.get("error", found.get("message", text)) if isinstance(found, dict) else text
    if isinstance(error, dict):
        error = error.get("message", text)
    return error if isinstance(error, str) else text


def asked_pause(header: str | None, text: str = "") -> float | None:
    """Seconds that a server asks to wait: Retry-After (a number or a date), or Google's `retryDelay`."""
    if header:
        try:
            return max(float(header), 0.0)
        except ValueError:
            pass
        try:
            return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
        except ValueError:
            pass
    delay = re.search(r'"retryDelay"\s*:\s*"([\d.]+)s"', text)
    return float(delay.group(1)) if delay else None


def inner_error(reply: Any) -> int | None:
    """The status of an error that came under HTTP 200, as some routers send it."""
    error = reply.get("error") if isinstance(reply, dict) and "choices" not in reply else None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else None
