"""What a published product was made of: every clip, what was set aside, the code, what happened meanwhile.

Texts of captions are not in it, their digests are: a caption may be private, and those who have it can tell
that it was this one.
"""

from __future__ import annotations

import io
import json
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ltx_core import __version__
from ltx_core.curation.options.rights import UNKNOWN, Rights, limits
from ltx_core.evaluation.card_facts import Licensed
from ltx_core.evaluation.report import Rejected
from ltx_core.evaluation.run_tables import event_facts
from ltx_core.stages.clip import Clip
from ltx_core.stages.clips import all_clips
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import RIGHTS, load_samples
from ltx_core.stages.filtered import verdicts
from ltx_core.store.dataset import Sample
from ltx_core.store.keys import digest
from ltx_core.training.log import EVENTS

LIBRARIES = ("torch", "diffusers", "transformers", "accelerate", "peft", "safetensors", "av", "numpy")
SILENT = frozenset(("measured", "checkpoint", "best"))
"""Events of a training that are told elsewhere."""
MOST_EVENTS = 1000
CHECKOUT = Path(__file__).resolve().parents[2]
Records = list[dict[str, Any]]


def rights_of_samples(context: Context) -> dict[str, Rights]:
    """What is stated of the licences of the samples' sources, by their digests."""
    row, _ = load_samples(context)
    stated: dict[str, dict[str, str]] = json.loads(str(row.columns.get(RIGHTS) or "{}"))
    return {source: Rights(**found) for source, found in stated.items()}


def licensed(samples: Sequence[Sample], rights: Mapping[str, Rights]) -> tuple[Licensed, ...]:
    """The samples by licence, those with the most first; what nobody stated is one of them."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(rights.get(sample.source, Rights()).license or UNKNOWN, []).append(sample)
    found = []
    for name, members in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])):
        stated = [rights.get(source, Rights()) for source in dict.fromkeys(one.source for one in members)]
        found.append(
            Licensed(
                license=name,
                clips=len(members),
                seconds=round(sum(one.duration for one in members), 3),
                links=_distinct(one.license_url for one in stated),
                makers=_distinct(one.attribution or one.author for one in stated),
                consent=_distinct(one.consent for one in stated),
                limits=limits(name),
            )
        )
    return tuple(found)


def clip_records(context: Context) -> Records:
    """A record for every sample: source, range, caption's digest, split, licence, the rows it is made of."""
    _, samples = load_samples(context)
    rights = rights_of_samples(context)
    clips = {} if context.config.imported else {clip.clip_id: clip for clip in all_clips(context)}
    return [_record(one, clips.get(one.clip_id), rights.get(one.source, Rights())) for one in samples]


def _record(sample: Sample, clip: Clip | None, rights: Rights) -> dict[str, Any]:
    return {
        "clip_id": sample.clip_id,
        "name": sample.name,
        "source": sample.source,
        "start_s": None if clip is None else clip.start_s,
        "end_s": None if clip is None else clip.end_s,
        "split": sample.split,
        "bucket": sample.bucket,
        "fps": sample.fps,
        "seconds": sample.duration,
        "caption": digest(sample.caption),
        "caption_source": sample.caption_source,
        "regularisation": sample.regularisation,
        "repeats": sample.repeats,
        "weight": sample.weight,
        **asdict(rights),
        "license": rights.license or UNKNOWN,
        "rows": json.dumps(sample.columns, sort_keys=True),
    }


def aside_records(rejected: Iterable[Rejected]) -> Records:
    """A record for everything that was not used."""
    return [{"name": one.what, "stage": one.stage, "reason": one.reason} for one in rejected]


def aside_by_filter(context: Context) -> dict[str, int]:
    """Clips that each filter has set aside; one of which two filters say so counts for both."""
    if context.config.imported:
        return {}
    names = [
        finding.filter
        for verdict in verdicts(context)
        if verdict.reason
        for finding in verdict.findings
        if finding.mode == "on"
    ]
    return dict(Counter(names).most_common())


def table_bytes(records: Records) -> bytes:
    """Records as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), sink, compression="zstd")
    return sink.getvalue()


def events(folder: Path) -> list[dict[str, Any]]:
    """What happened in a training, in order: interruptions, resumes, skipped steps; not what it measured."""
    found = []
    try:
        lines = (folder / EVENTS).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:  # the last line of a training that was killed while it wrote
            continue
        if event.get("event") not in SILENT:
            found.append(event)
    return found[:MOST_EVENTS]


def event_line(event: Mapping[str, Any]) -> str:
    """An event in words: `interrupted: step 120, 3.1 s`."""
    plain = {name: value for name, value in event.items() if isinstance(value, str | int | float)}
    facts = event_facts({name: value for name, value in plain.items() if name not in ("event", "time")})
    name = str(event.get("event", "")).replace("_", " ")
    return f"{name}: {facts}" if facts else name


def code() -> dict[str, str]:
    """Version and commit of this code, and of the libraries that a result may depend on."""
    found = {"ltx-flows": __version__, "commit": commit(), "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {name: value for name, value in found.items() if value}


def commit() -> str:
    """The commit of the checkout that this runs from, marked where files differ from it; "" for none."""
    if not (CHECKOUT / ".git").exists():
        return ""
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"{head} with changes" if changed else head


def _git(*arguments: str) -> str:
    command = ("git", "-C", str(CHECKOUT), *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))
