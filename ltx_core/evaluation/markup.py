"""A small HTML builder: every text is escaped unless it was built here, and every tag is closed."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable

VOID_ELEMENTS = frozenset({"br", "col", "hr", "img", "input", "link", "meta", "source"})
"""Elements without content and end tag that this project uses (HTML standard, 13.1.2)."""

IMAGE_SIGNATURES = ((b"\x89PNG", "image/png"), (b"\xff\xd8", "image/jpeg"), (b"RIFF", "image/webp"))


class Html(str):
    """Markup that is safe to insert as it is. Plain strings are escaped by `element`."""

    __slots__ = ()


def printable(text: str) -> str:
    """The text with a replacement character for control characters and halves of surrogate pairs."""
    if text.isprintable():  # most texts: thousands of them make a page of a dataset
        return text
    kept = "".join(c if c >= " " or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
    return kept.encode("utf-8", "replace").decode("utf-8")


def escape(text: str) -> Html:
    """Text as markup: quotes, angle brackets and ampersands become references."""
    return Html(html.escape(printable(text), quote=True))


def joined(parts: Iterable[str | None]) -> Html:
    """The parts one after the other; plain strings are escaped, None is left out."""
    return Html("".join(p if isinstance(p, Html) else escape(p) for p in parts if p is not None))


def element(tag: str, /, *children: str | None, **attributes: str | int | bool | None) -> Html:
    """One element.

    Args:
        tag: its name.
        children: markup, or texts that are escaped; None is left out.
        attributes: `class_` stands for class, `aria_label` for aria-label; True writes the bare name,
            None and False write nothing.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in VOID_ELEMENTS:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{joined(children)}</{tag}>")


def _attribute(key: str, value: str | int | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


def whole_page(title: str, style: str, body: Html) -> str:
    """A whole page that needs no network: its head, and a `body` element.

    Args:
        title: in the window's frame.
        style: a sheet; trusted text of this package.
        body: the element.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("link", rel="icon", href="data:,"),  # else browsers ask for one
        element("style", Html(style)),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def data_uri(content: bytes, media_type: str) -> str:
    """The bytes as a `data:` address."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def image_uri(content: bytes) -> str:
    """A PNG, JPEG or WebP picture as a `data:` address.

    Raises:
        ValueError: when the bytes are none of these.
    """
    for signature, media_type in IMAGE_SIGNATURES:
        if content.startswith(signature):
            return data_uri(content, media_type)
    raise ValueError(f"a picture starts with {content[:4]!r}; it must be PNG, JPEG or WebP")


def table(
    headers: Iterable[str], rows: Iterable[Iterable[str]], label: str, numeric: Iterable[int] = ()
) -> Html:
    """A table that scrolls inside its own box; `numeric` columns are set to the right.

    Args:
        headers: the column names.
        rows: cells, markup or text.
        label: what the table shows, for screen readers.
        numeric: indices of the columns of numbers.
    """
    right = frozenset(numeric)

    def cells(tag: str, values: Iterable[str], **more: str) -> Html:
        return joined(
            element(tag, value, class_="number" if index in right else None, **more)
            for index, value in enumerate(values)
        )

    head = element("thead", element("tr", cells("th", headers, scope="col")))
    body = element("tbody", *(element("tr", cells("td", row)) for row in rows))
    return element(
        "div",
        element("table", head, body),
        class_="scroll",
        role="region",
        tabindex=0,
        aria_label=label,
    )
