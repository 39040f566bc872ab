"""The report's samples: videos and sounds to play, strips and spectrograms to look at."""

from __future__ import annotations

from collections.abc import Sequence

from ltx_core.evaluation.markup import Html, data_uri, element, image_uri, joined
from ltx_core.evaluation.report import SampleGroup, View
from ltx_core.evaluation.report_tables import shortened

MAX_MEDIA_BYTES = 8 * 1024 * 1024
"""Bytes of MP4 and WAV in one report before base64 (a choice: a report of about 11 MB still goes by mail)."""


class MediaBudget:
    """Bytes of video and sound that may still go into the page."""

    def __init__(self, left: int = MAX_MEDIA_BYTES) -> None:
        self.left = left

    def take(self, media: bytes | None) -> bool:
        """Whether it goes in; then it counts."""
        if not media or len(media) > self.left:
            return False
        self.left -= len(media)
        return True


def sample_groups(groups: Sequence[SampleGroup], budget: MediaBudget) -> Html:
    """Every group as a card; what is beyond the budget is shown by its sheet alone, and says so."""
    return joined(_group(group, budget) for group in groups)


def _group(group: SampleGroup, budget: MediaBudget) -> Html:
    playable = [view for view in group.views if budget.take(view.playable)]
    left_out = any(view.playable for view in group.views if view not in playable)
    sheets = [view for view in group.views if view.sheet]
    return element(
        "article",
        element("h3", group.title) if group.title else None,
        element("blockquote", shortened(group.caption)) if group.caption else None,
        element("div", *(_player(view, group.caption) for view in playable), class_="videos")
        if playable
        else None,
        element("div", *(_sheet(view, group.caption) for view in sheets), class_="sheets")
        if sheets
        else None,
        element("p", "The files lie in the run's folder; this page would be too large.", class_="soft")
        if left_out
        else None,
        class_="group",
    )


def _player(view: View, caption: str) -> Html:
    label = f"{view.label} \N{MIDDLE DOT} {view.note}" if view.note else view.label
    player = _video(view, caption) if view.video else _audio(view, caption)
    return element("figure", player, element("figcaption", label))


def _video(view: View, caption: str) -> Html:
    return element(
        "video",
        src=data_uri(view.video or b"", "video/mp4"),
        poster=image_uri(view.poster) if view.poster else None,
        controls=True,
        muted=True,
        loop=True,
        playsinline=True,
        preload="metadata",
        aria_label=f"{view.label}: {shortened(caption, 120)}",
    )


def _audio(view: View, caption: str) -> Html:
    return element(
        "audio",
        src=data_uri(view.audio or b"", "audio/wav"),
        controls=True,
        preload="metadata",
        aria_label=f"{view.label}: {shortened(caption, 120)}",
    )


def _sheet(view: View, caption: str) -> Html:
    shown = "spectrogram" if view.audio else "frames from left to right"
    alt = f"{view.label}, {shown}: {shortened(caption, 120)}"
    picture = element("img", src=image_uri(view.sheet or b""), alt=alt)
    return element("figure", element("div", picture, class_="strip"), element("figcaption", view.label))
