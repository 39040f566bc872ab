"""The pages of clips, of what was set aside, of look-alikes, and a clip's own page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from ltx_core.evaluation.browsing.card import (
    Scale,
    badges,
    caption,
    card,
    facts_list,
    look,
    remarks,
    score_bars,
    short_facts,
)
from ltx_core.evaluation.browsing.facts import Aside, ClipFacts, Collection, Twins, kind_of_reason
from ltx_core.evaluation.browsing.links import (
    PER_PAGE,
    TWINS,
    anchor,
    clips_page,
    decoded_page,
    href,
    own_page,
    page_of,
)
from ltx_core.evaluation.browsing.page import document
from ltx_core.evaluation.markup import Html, element, joined, table
from ltx_core.evaluation.report_tables import number, shortened

PICTURED = 60
"""Set aside with a picture in one group; the others are a table."""


def clip_pages(data: Collection, scale: Scale, own: frozenset[str]) -> Iterator[tuple[str, str]]:
    """(file, page) of all clips, `PER_PAGE` on each; one page where there is none."""
    count = max(1, -(-len(data.clips) // PER_PAGE))
    for number_ in range(1, count + 1):
        clips = data.clips[(number_ - 1) * PER_PAGE : number_ * PER_PAGE]
        ways = _pager(number_, count)
        cards = element("div", *(card(c, scale, c.clip_id in own) for c in clips), class_="cards")
        body = [ways, cards if clips else element("p", "There is no clip yet."), ways]
        yield clips_page(number_), document(f"{data.title}: clips, page {number_} of {count}", body)


def _pager(page: int, count: int) -> Html:
    steps = [("First", 1), ("Back", page - 1), ("Next", page + 1), ("Last", count)]
    links = [
        element("a", text, href=href(clips_page(to))) if 1 <= to <= count and to != page else None
        for text, to in steps
    ]
    return element("p", *links, class_="pager")


def own_pages(
    data: Collection, scale: Scale, own: frozenset[str], decoded: frozenset[str]
) -> Iterator[tuple[str, str]]:
    """(file, page) of the clips with a page of their own; `decoded`: those with a comparison."""
    for index, clip in enumerate(data.clips):
        if clip.clip_id in own:
            way = href(page_of(index), "../") + "#" + anchor(clip.clip_id)
            yield own_page(clip.clip_id), own_page_of(clip, scale, way, clip.clip_id in decoded)


def own_page_of(clip: ClipFacts, scale: Scale, back: str, decoded: bool) -> str:
    """Everything about one clip."""
    pictures = (
        element("figure", look(one, clip, "../"), element("figcaption", one.label)) for one in clip.looks
    )
    facts = [("id", clip.clip_id), *short_facts(clip)]
    facts += [("range", clip.span)] if clip.span else []
    facts += [("file", clip.path)] if clip.path else []
    compare = element("a", "What its latents decode to", href=href(decoded_page(clip.clip_id), "../"))
    body = [
        element("p", element("a", "Among its neighbours", href=back)),
        badges(clip),
        *remarks(clip),
        element("div", *pictures, class_="pair") if clip.looks else None,
        element("p", compare) if decoded else None,
        element("h2", "Caption"),
        caption(clip, len(clip.caption) + 1) or element("p", "none"),
        element("h2", "Facts"),
        facts_list(facts),
        element("h2", "Scores") if clip.scores else None,
        score_bars(clip, scale),
        element("h2", "Rows of the store") if clip.rows else None,
        table(["stage", "status", "content", "made"], clip.rows, "Rows of the store") if clip.rows else None,
    ]
    return document(clip.name, [element("div", *body, class_="own")], "../")


def aside_page(data: Collection) -> str:
    """Everything that was set aside, by stage and kind of reason."""
    groups: dict[tuple[str, str], list[Aside]] = defaultdict(list)
    for one in data.aside:
        groups[one.stage, kind_of_reason(one.reason)].append(one)
    places = {clip.clip_id: page_of(index) for index, clip in enumerate(data.clips)}
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    body = [_aside_group(stage, reason, found, places) for (stage, reason), found in ordered]
    empty = element("p", "Nothing was set aside.")
    return document(f"{data.title}: set aside", body or [empty])


def _aside_group(stage: str, reason: str, found: Sequence[Aside], places: Mapping[str, str]) -> Html:
    pictured = sorted(found, key=lambda one: not one.still)[:PICTURED]
    shown = {id(one) for one in pictured}
    rest = [[shortened(one.what, 160), shortened(one.reason)] for one in found if id(one) not in shown]
    return element(
        "section",
        element("h2", f"{stage}: {reason} ({len(found):,})"),
        element("div", *(_aside_card(one, places) for one in pictured), class_="cards"),
        element(
            "details",
            element("summary", f"{len(rest):,} more"),
            table(["what", "reason"], rest, f"Set aside in {stage}: {reason}"),
        )
        if rest
        else None,
    )


def _aside_card(one: Aside, places: Mapping[str, str]) -> Html:
    name: Html | str = shortened(one.what, 160)
    if one.clip_id in places:
        name = element("a", name, href=href(places[one.clip_id]) + "#" + anchor(one.clip_id))
    still = element("img", src=href(one.still), alt=f"A frame of {shortened(one.what, 80)}", loading="lazy")
    return element(
        "article",
        element("h3", name),
        element("div", still, class_="tile") if one.still else None,
        element("p", shortened(one.reason)),
        class_="card aside",
    )


def twins_page(data: Collection) -> tuple[str, str]:
    """(file, page) of near-duplicates side by side."""
    places = {clip.clip_id: (clip, page_of(index)) for index, clip in enumerate(data.clips)}
    note = "Clips of one group look alike; the first is the one that is kept. Distances are those from it."
    body = [element("p", note)] if data.twins else [element("p", "No look-alikes were found.")]
    body += [_group(n, group, places) for n, group in enumerate(data.twins, 1)]
    return TWINS, document(f"{data.title}: look-alikes", body)


def _group(count: int, group: Twins, places: Mapping[str, tuple[ClipFacts, str]]) -> Html:
    cards: list[Html] = []
    for clip_id, distance in group.members:
        if clip_id not in places:
            continue
        clip, page = places[clip_id]
        still = next((one for one in clip.looks if one.still), None)
        picture = element("img", src=href(still.still), alt=f"A frame of {clip.name}") if still else None
        cards.append(
            element(
                "article",
                element("h3", element("a", clip.name, href=href(page) + "#" + anchor(clip_id))),
                element("div", picture, class_="tile")
                if picture
                else element("p", "no picture", class_="blank"),
                element("p", f"distance {number(distance)}" if cards else "the first"),
                element("p", clip.aside or "kept"),
                element("p", f"{clip.start_s:.3f} s to {clip.end_s:.3f} s of {clip.source}", class_="soft"),
                class_="card aside" if clip.aside else "card",
            )
        )
    return element(
        "section",
        element("h2", f"Group {count} ({len(group.members)} clips)"),
        joined([element("div", *cards, class_="cards")]),
    )
