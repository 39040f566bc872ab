"""What captions have cost and what the missing ones will: for `ltx plan` and `ltx check`."""

from __future__ import annotations

from collections.abc import Sequence

from ltx_core.curation.captioning.ledger import Ledger
from ltx_core.evaluation.caption_warnings import shared_captions
from ltx_core.stages.base import NotReadyError, StagePlan
from ltx_core.stages.caption_keys import captions_folder
from ltx_core.stages.context import Context

SERVERS = ("endpoint", "gemini")


def cost_line(context: Context, plans: Sequence[StagePlan]) -> str:
    """What the captioner has cost so far and is expected to cost; "" where no server is asked.

    Args:
        context: of the config.
        plans: of its stages; the missing captions are priced by what those before them took.
    """
    options = context.config.dataset.captions
    ready = any(plan.stage == "captions" and plan.ready for plan in plans)
    if options.captioner not in SERVERS or not ready:
        return ""
    spent = captions_folder(context) / "spent.jsonl"
    usage, cost = Ledger(options, spent if spent.exists() else None).total()
    there = context.committed("captions")
    missing = [item.payload for item in context.items("captions") if item.key not in there]
    asked = sum(wanted.text is None and bool(wanted.source) for wanted in missing)
    so_far = f"{usage.requests:,} requests so far" + (f", cost {cost:.4g}" if cost else "")
    if not asked:
        return so_far
    if not usage.requests:
        return f"{asked:,} clips to ask about; what they cost is known after the first"
    tokens = (usage.prompt_tokens + usage.completion_tokens) / usage.requests * asked
    further = f", cost about {cost / usage.requests * asked:.4g}" if cost else ""
    return f"{so_far}; {asked:,} clips to ask about: about {tokens:,.0f} tokens{further}"


def caption_notes(context: Context) -> str:
    """What is wrong with the captions that are there; "" where nothing is, or none is there yet."""
    context.refresh()
    try:
        rows = [row for row in context.committed("captions").values() if row.ok]
    except NotReadyError:
        return ""
    shared = shared_captions(str(row.columns["caption"]) for row in rows)
    found = []
    if shared:
        text, count = next(iter(shared.items()))
        many = f"{sum(shared.values()):,} clips share {len(shared):,} captions"
        found.append(f"{many}, such as {text[:60]!r} ({count})")
    if measured := sum(row.columns["caption_source"] == "describe" for row in rows):
        found.append(f"{measured:,} are measured and say nothing of content")
    return "; ".join(found)
