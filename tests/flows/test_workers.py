"""What survives when a worker dies: the rest of its chunk; and what is said when nothing can."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from tasks._process import DeadChildError
from tasks._workers import survive

KEYS = [f"row-{number}" for number in range(13)]


class Rows:
    """Computes rows by name; `deadly` ones always kill the process, others as often as `deaths` says."""

    def __init__(self, deadly: Sequence[str] = (), deaths: int = 0) -> None:
        self.deadly, self.deaths = set(deadly), deaths
        self.done: Counter[str] = Counter()
        self.aside: list[str] = []

    def ask(self, keys: Sequence[str]) -> dict[str, object]:
        missing = [key for key in keys if not self.done[key]]
        if self.deaths or self.deadly & set(missing):
            self.deaths = max(0, self.deaths - 1)
            raise DeadChildError("killed")
        self.done.update(missing)
        return {"stage": "latents", "rows": len(missing), "ok": len(missing), "rejected": [], "seconds": 1.0}

    def set_aside(self, keys: Sequence[str]) -> dict[str, object]:
        self.aside += keys
        refused = [(key, "kills") for key in keys]
        return {"stage": "latents", "rows": len(keys), "ok": 0, "rejected": refused, "seconds": 0.0}


@pytest.mark.parametrize("deadly", [[], ["row-0"], ["row-12"], ["row-5", "row-6"], KEYS[:-1]])
def test_all_rows_but_the_deadly_ones_are_computed_once(deadly):
    rows = Rows(deadly)
    manifest = survive(KEYS, rows.ask, rows.ask, rows.set_aside)
    assert rows.done == Counter(key for key in KEYS if key not in deadly)
    assert rows.aside == deadly
    assert manifest["rows"] == len(KEYS) and manifest["ok"] == len(KEYS) - len(deadly)
    assert [name for name, _ in manifest["rejected"]] == deadly


@pytest.mark.parametrize("deaths", [1, 2, 3])
def test_a_worker_that_was_killed_by_chance_costs_no_row(deaths):
    rows = Rows(deaths=deaths)
    assert survive(KEYS, rows.ask, rows.ask, rows.set_aside)["rows"] == len(KEYS)
    assert rows.aside == [] and set(rows.done.values()) == {1}


@pytest.mark.parametrize("keys", [KEYS, KEYS[:1]])
def test_where_everything_dies_nothing_is_set_aside(keys):
    rows = Rows(keys)
    with pytest.raises(DeadChildError):
        survive(keys, rows.ask, rows.ask, rows.set_aside)
    assert rows.aside == [] and not rows.done


def test_a_row_alone_in_its_chunk_is_set_aside_where_others_of_the_stage_were_computed():
    rows = Rows(["row-0"])
    manifest = survive(["row-0"], rows.ask, rows.ask, rows.set_aside, works=True)
    assert rows.aside == ["row-0"] and manifest["ok"] == 0 and manifest["rows"] == 1


def test_after_a_death_nothing_goes_along():
    rows = Rows()

    def together(keys: Sequence[str]) -> dict[str, object]:
        raise DeadChildError("another stage's row kills")

    assert survive(KEYS, together, rows.ask, rows.set_aside)["ok"] == len(KEYS)
    assert rows.aside == []
