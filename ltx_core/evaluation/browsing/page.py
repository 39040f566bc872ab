"""The frame of every page of a dataset: head, title, ways to the other pages."""

from __future__ import annotations

from collections.abc import Sequence

from ltx_core.evaluation.browsing.links import ASIDE, INDEX, TWINS, clips_page, href
from ltx_core.evaluation.browsing.style import BROWSE_STYLE
from ltx_core.evaluation.markup import Html, element, joined, whole_page


def document(title: str, body: Sequence[Html | None], up: str = "", script: str = "") -> str:
    """A whole page.

    Args:
        title: in the window's frame and as the heading.
        body: what follows the heading.
        up: "../" for a page in a folder below.
        script: inline, at the end; trusted text of this package.
    """
    ways = ((INDEX, "Overview"), (clips_page(1), "Clips"), (ASIDE, "Set aside"), (TWINS, "Look-alikes"))
    links = (element("li", element("a", text, href=href(name, up))) for name, text in ways)
    content = element(
        "body",
        element("nav", element("ul", *links), aria_label="Pages of the dataset"),
        element("header", element("h1", title)),
        element("main", joined(body)),
        element("script", Html(script)) if script else None,
    )
    return whole_page(title, BROWSE_STYLE, content)
