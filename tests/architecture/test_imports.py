"""The directions of imports are law."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from source_imports import LEVEL, ROOT, Import, all_imports, files, room_of

IMPORTS = all_imports()
EDGE = ("config", "conditions", "modes")
"""Rooms whose declarations a user writes: pydantic checks them."""


def named(offences: list[Import]) -> list[str]:
    return [f"{found.source}:{found.line} imports {found.target}" for found in offences]


def test_every_room_has_its_number():
    rooms = {path.stem for path in (ROOT / "ltx_core").iterdir() if not path.name.startswith("__")}
    assert rooms <= set(LEVEL)


def test_a_room_imports_only_rooms_of_a_smaller_number():
    inside = [i for i in IMPORTS if i.source.startswith("ltx_core.") and i.target.startswith("ltx_core.")]
    rooms = [(found, room_of(found.source), room_of(found.target)) for found in inside]
    assert named([i for i, own, other in rooms if own != other and LEVEL[own] <= LEVEL[other]]) == []


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("ltx_core", ("prefect", "tasks", "flows")),
        ("tasks", ("torch", "flows", "diffusers", "transformers", "accelerate", "peft", "cv2", "decord")),
        ("flows", ("torch", "diffusers", "transformers", "accelerate", "peft", "cv2", "decord")),
    ],
)
def test_a_package_never_imports(package: str, forbidden: tuple[str, ...]):
    own = [found for found in IMPORTS if found.source.split(".")[0] == package]
    assert named([found for found in own if found.target.split(".")[0] in forbidden]) == []


def test_pydantic_stays_at_the_edge():
    own = [i for i in IMPORTS if i.source.startswith("ltx_core") and room_of(i.source) not in EDGE]
    assert named([found for found in own if found.target.split(".")[0] == "pydantic"]) == []


def test_a_task_imports_no_other_task():
    helpers = {path.stem for path in (ROOT / "tasks").glob("_*.py")}
    own = [i for i in IMPORTS if i.source.startswith("tasks.") and i.target.startswith("tasks.")]
    assert named([found for found in own if found.target.split(".")[1] not in helpers]) == []


def test_there_are_no_cycles():
    graph: dict[str, set[str]] = {}
    for found in IMPORTS:
        if not found.for_types and found.target != found.source:
            graph.setdefault(found.source, set()).add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_pickle_is_read():
    assert named([i for i in IMPORTS if i.target.split(".")[0] in ("pickle", "cloudpickle", "dill")]) == []


def test_every_file_is_looked_at():
    assert len(files()) > 60
    assert all(isinstance(path, Path) for path in files())
