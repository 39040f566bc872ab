"""`ltx show CONFIG dataset`: a folder of pages to browse the dataset by, opened from the disk.

Design choices
- Pages are made of rows; only what is looked at is decoded: a player for some clips, a still for ten times as
  many, in rounds over the sources, so that a few of every film come before many of one.
- Everything is written once: media by content, pages where they differ. A clip that has a page keeps it. The
  folder can be deleted at any time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from ltx_core.errors import LtxError
from ltx_core.evaluation.browsing.card import scale_of
from ltx_core.evaluation.browsing.facts import Aside, ClipFacts, Collection, in_rounds, kind_of_reason
from ltx_core.evaluation.browsing.links import INDEX, OWN, anchor, decoded_page, href, own_page, page_of
from ltx_core.evaluation.browsing.listing import PICTURED, own_page_of
from ltx_core.evaluation.browsing.write import write_changed, write_pages
from ltx_core.stages.base import NotReadyError
from ltx_core.stages.browse_facts import Gathered, asides, facts_of, gathered, moments
from ltx_core.stages.browse_media import Make, Previews
from ltx_core.stages.browse_scores import twins
from ltx_core.stages.clip import Clip
from ltx_core.stages.clips import all_clips
from ltx_core.stages.context import Context
from ltx_core.stages.folder import folder_of_pages
from ltx_core.stages.show import clip_rows

CLIPS = 300
"""Clips with a player, unless someone asks for another number."""
STILLS_PER_PLAYER = 10
Tell = Callable[[int, int], None]


def browse(context: Context, clips: int = CLIPS, tell: Tell | None = None) -> Path:
    """Write the pages; the path of the first.

    Args:
        context: of the config.
        clips: how many get a player and a page of their own; 0 decodes nothing.
        tell: is told of clips looked at and of all.

    Raises:
        NotReadyError: when there is no clip yet.
        StoreError: when the disk is full, read-only or not permitted.
    """
    found, folder = gathered(context), folder_of_pages(context.config)
    facts, previews = facts_of(found), Previews(context, folder)
    ranked = [one.clip_id for one in in_rounds(facts)]
    own = frozenset(ranked[:clips]) | pages_of_their_own(folder, facts)
    stills = frozenset(ranked[: clips * STILLS_PER_PLAYER])
    rows = clip_rows(context, own)
    shown = []
    for number, one in enumerate(facts):
        make: Make = "all" if one.clip_id in own else "still" if one.clip_id in stills else "nothing"
        looked = _looked_at(found, previews, one, make)
        shown.append(replace(looked, rows=tuple(rows.get(one.clip_id, ()))))
        if tell is not None:
            tell(number + 1, len(facts))
    data = Collection(
        context.config.name,
        found.digest,
        tuple(shown),
        tuple(_pictured(context, found, previews, shown, clips > 0)),
        tuple(twins(context, found.verdicts)),
        found.limits,
        tuple(_notes(found, len(own), len(facts))),
    )
    write_pages(folder, data, own)
    return folder / INDEX


def pages_of_their_own(folder: Path, facts: Iterable[ClipFacts]) -> frozenset[str]:
    """The clips that have a page already."""
    names = {path.name for path in (folder / OWN).glob("*.html")}
    return frozenset(one.clip_id for one in facts if Path(own_page(one.clip_id)).name in names)


def _looked_at(found: Gathered, previews: Previews, one: ClipFacts, make: Make) -> ClipFacts:
    clip = found.by_id.get(one.clip_id)
    if clip is None:
        return one
    return replace(one, looks=previews.looks(clip, found.beside.get(one.clip_id, ()), make))


def clip_page(context: Context, what: str) -> Path:
    """Write the page of one clip or imported sample, and the others where there are none yet; its path.

    Args:
        context: of the config.
        what: its name, or the beginning of its id.

    Raises:
        LtxError: when no clip is named so.
        NotReadyError: when there is no clip yet.
    """
    folder, found = folder_of_pages(context.config), gathered(context)
    facts = facts_of(found)
    clip_id = next((one.clip_id for one in facts if one.name == what), "") or find_clip(context, what).clip_id
    if not (folder / INDEX).exists():
        browse(context, 0)
    index, one = next((n, one) for n, one in enumerate(facts) if one.clip_id == clip_id)
    one = _looked_at(found, Previews(context, folder), one, "all")
    one = replace(one, rows=tuple(clip_rows(context, frozenset([clip_id]))[clip_id]))
    way = href(page_of(index), "../") + "#" + anchor(clip_id)
    compared = (folder / decoded_page(clip_id)).exists()
    path = folder / own_page(clip_id)
    write_changed(path, own_page_of(one, scale_of(facts, found.limits), way, compared))
    return path


def find_clip(context: Context, what: str) -> Clip:
    """A clip by its name or the beginning of its id.

    Raises:
        LtxError: when there is none, or no clip at all.
    """
    try:
        clips = all_clips(context)
    except NotReadyError as error:
        raise LtxError(f"nothing to show yet: {error}; run `ltx run CONFIG` first") from None
    for clip in clips:
        if clip.name == what or clip.clip_id.startswith(what):
            return clip
    names = ", ".join(clip.name for clip in clips[:5])
    raise LtxError(f"no clip is named {what!r}; clips are named as {names}, …; or use the words dataset, run")


def _pictured(
    context: Context, found: Gathered, previews: Previews, facts: Iterable[ClipFacts], decode: bool
) -> list[Aside]:
    """What was set aside, with a still for the first of each group where something may be decoded."""
    stills = {one.clip_id: next((look.still for look in one.looks if look.still), "") for one in facts}
    places = moments(context, found)
    taken: dict[tuple[str, str], int] = defaultdict(int)
    result = []
    for one in asides(context, found):
        group = (one.stage, kind_of_reason(one.reason))
        still = stills.get(one.clip_id, "")
        if decode and not still and one.what in places and taken[group] < PICTURED:
            still = previews.still_at(*places[one.what])
        taken[group] += bool(still)
        result.append(replace(one, still=still))
    return result


def _notes(found: Gathered, players: int, clips: int) -> list[str]:
    notes = []
    if not found.samples:
        notes.append("There is no dataset yet: clips have no split; `ltx stage dataset CONFIG` makes it.")
    if players < clips and found.clips:
        notes.append(
            f"{players:,} of {clips:,} clips have a player; `--clips N` makes more, and keeps these."
        )
    if not found.clips:
        notes.append("Imported samples have no media; `ltx show CONFIG NAME --decode` shows what they hold.")
    return notes
