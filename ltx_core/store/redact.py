"""What is handed on holds no secret: keys and passwords are taken out of texts, home folders are shortened.

Used for everything that leaves the workspace: published folders, logs of runs that trackers keep.

Design choices
- A secret is known by its value (what the environment holds under names such as `HF_TOKEN`), by its form
  (`hf_…`, `AKIA…`, a private key) or by where it stands (`user:password@` and `?token=` of an address, the
  value of a field called `api_key`). Any one is enough.
- What is taken out leaves `***`, so that a reader sees that something was there.
- Values shorter than `SHORTEST` are left: replacing `1` or `true` everywhere would destroy the text.
- Media within a text (`data:…;base64,…`) are left as they are: noise would match the forms.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

HIDDEN = "***"
SHORTEST = 6
"""Characters from which on a value of the environment is a secret that can be found again."""
NOT_SECRET = frozenset(("default", "disable", "disabled", "enabled", "config", "keyring", "prompt"))
"""Words that settings say under a secret's name."""
SECRET_NAME = re.compile(
    r"(?i)(?:^|_)(?:API_?KEY|ACCESS_?KEY|SECRET_?KEY|KEY|KEYS|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?"
    r"|AUTH_STRING|AUTHORIZATION)(?:_ID|_[0-9]+)?$"
)
"""Variables of the environment that hold secrets."""
SECRET_FIELD = re.compile(
    r"(?i)^(?:.*[_-])?(?:api_?key|access_?key(?:_?id)?|secret(?:_?(?:access_?)?key)?|token|password|passwd"
    r"|passphrase|credentials?|authorization)$"
)
"""Fields of data that hold secrets where their value is text."""
FORMS = re.compile(
    r"\bhf\\?_[A-Za-z0-9]{16,}|\bsk-[A-Za-z0-9_-]{16,}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]\\?_[A-Za-z0-9]{20,}"
    r"|\bgithub\\?_pat\\?_[A-Za-z0-9]{16,}(?:\\?_[A-Za-z0-9]+)?"
    r"|\bglpat-[A-Za-z0-9_-]{16,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAIza[A-Za-z0-9_-]{35}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
"""What keys of known services look like; Markdown writes an underscore with a backslash."""
USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/?#@\"'<>]+@")
ADDRESS = re.compile(r"(?i)(?:\b[a-z][a-z0-9+.-]{1,15}://|(?<![\w.~:/<-])/)[^\s\"'<>]*")
"""Where a query may stand: `;author=me` and `&sigma=0.5` of another text are words."""
QUERY = re.compile(
    r"(?i)([?&;][\w.-]*?(?:token|signature|sig|keys?|secret|password|passwd|credential|auth|authorization)"
    r"(?:_?id)?(?:[_.-][\w.-]*)?=)[^&\s\"'<>#]+"
)
ASSIGNED = re.compile(
    r"(?i)(\b\w*(?:api_?key|access_?key|secret_?key|password"
    r"|(?:_token|_secret)(?!\"?\s*[:=]\s*[\"']?(?-i:[a-z]{1,15})(?![\w./+=~-])))\"?\s*[:=]\s*[\"']?)"
    r"(?!null\b|none\b|\*)([^\s\"'`,;}&<]{6,})"
)
"""A short word of small letters after `_token` is one, such as that of a trigger; tokens have digits."""
BEARER = re.compile(
    r"(?i)(\bauthorization(?:&quot;|&#39;|&#x27;|[\\\"'])*\s*[:=]\s*(?:&quot;|&#39;|&#x27;|[\\\"'])*"
    r"(?:bearer|basic|token)\s+)[A-Za-z0-9._~+/=-]+"
    r"|(\b(?:bearer|basic)\s+)(?=[A-Za-z._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{20,}"
)
"""Beyond a header only what is long and has a digit: a torch bearer is a person."""
HOMES = re.compile(
    r"(?<![\w.~:-])(?:/home/|/Users/|[A-Za-z]:[\\/]+Users[\\/]+)[^/\\\s\"'<>:,;)]+|(?<![\w.~/<-])/root\b"
)
MEDIA = re.compile(r"(data:[\w.+-]+/[\w.+-]+;base64,[A-Za-z0-9+/=]+)")


@dataclass(frozen=True)
class Redactor:
    """Takes secrets out of texts and data; made by `redactor`.

    Attributes:
        secrets: values that must not be seen, by what holds them.
        places: folders of this machine -> what stands for them.
    """

    secrets: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)

    def text(self, text: str) -> str:
        """`text` without secrets, and without the folders of this machine."""
        if "base64," not in text:
            return self._plain(text)
        return "".join(
            part if number % 2 else self._plain(part) for number, part in enumerate(MEDIA.split(text))
        )

    def data(self, value: Any) -> Any:
        """`value` (mappings, sequences, plain values) with every text in it redacted; paths become texts."""
        if isinstance(value, str | Path):
            return self.text(str(value))
        if isinstance(value, Mapping):
            return {self.data(name): self._field(str(name), one) for name, one in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.data(one) for one in value]
        return value

    def held_in(self, content: bytes) -> list[str]:
        """Names of the secrets whose value stands in raw bytes, such as those of a picture."""
        return sorted(name for name, value in self.secrets.items() if value.encode() in content)

    def _field(self, name: str, value: Any) -> Any:
        hides = isinstance(value, str) and value and SECRET_FIELD.match(name)
        return HIDDEN if hides else self.data(value)

    def _plain(self, text: str) -> str:
        if self._written is not None:
            text = self._written.sub(HIDDEN, text)
        text = FORMS.sub(HIDDEN, text)
        text = USERINFO.sub(rf"\1{HIDDEN}@", text)
        text = ADDRESS.sub(lambda found: QUERY.sub(rf"\1{HIDDEN}", found[0]), text)
        text = BEARER.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}", text)
        text = ASSIGNED.sub(rf"\1{HIDDEN}", text)
        for pattern, stands in self._folders:
            text = pattern.sub(stands.replace("\\", r"\\"), text)
        return HOMES.sub("~", text)

    @cached_property
    def _written(self) -> re.Pattern[str] | None:
        """Each secret as it may be written, the longest first; a space in it may be a line's end."""
        found = {form for value in self.secrets.values() for form in _forms(value)}
        ordered = sorted(found, key=len, reverse=True)
        patterns = (r"\s+".join(map(re.escape, form.split(" "))) for form in ordered)
        return re.compile("|".join(patterns)) if ordered else None

    @cached_property
    def _folders(self) -> list[tuple[re.Pattern[str], str]]:
        """Folders that are shortened, the longest first; `/a/b` is no part of `/a/bc` nor of `/x/a/b`.

        Nor is the end of an element, `</video>`, the folder `/video`.
        """
        ordered = sorted(self.places.items(), key=lambda pair: len(pair[0]), reverse=True)
        return [
            (re.compile(rf"(?<![\w.…~/-]){_no_element(place)}{re.escape(place)}(?![\w.-])"), stands)
            for place, stands in ordered
        ]


def redactor(variables: Collection[str] = (), places: Mapping[Path | str, str] | None = None) -> Redactor:
    """What takes the secrets of this process' environment out of texts.

    Args:
        variables: further variables of the environment that hold secrets, whatever their name.
        places: folders of this machine -> what shall stand for them, such as {workspace: "workspace"}; the
            home folder is `~` without being named.
    """
    secrets = {
        name: value.strip()
        for name, value in os.environ.items()
        if (name in variables or SECRET_NAME.search(name)) and _is_secret(value.strip())
    }
    folders = {Path.home(): "~", **{Path(place): stands for place, stands in (places or {}).items()}}
    long = {str(place): stands for place, stands in folders.items() if len(place.parts) > 1}
    return Redactor(secrets, long)


def _forms(value: str) -> set[str]:
    """A secret plain, in an address, in JSON, in YAML, in HTML, in Markdown."""
    marked = re.sub(r"([\\`*_\[\]|#])", r"\\\1", value)
    texts = {value, value.replace("'", "''"), json.dumps(value)[1:-1], marked}
    escaped = {html.escape(text, quote=quotes) for text in texts for quotes in (True, False)}
    return {*texts, *escaped, quote(value, safe="")}


def _no_element(place: str) -> str:
    """What keeps a place of one name from matching the end of an element of that name."""
    return "(?<!<)" if place.count("/") == 1 else ""


def _is_secret(value: str) -> bool:
    return len(value) >= SHORTEST and value.lower() not in NOT_SECRET
