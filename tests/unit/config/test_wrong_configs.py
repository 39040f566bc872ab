"""A wrong config is refused before anything runs, with the field, what was found, the rule and the nearest
valid choice on one line; and what is counted without torch is what the conditions themselves hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ltx_core.conditions import FirstFrame, Prefix, SpatialCrop, Suffix
from ltx_core.config.coverage import fault, left
from ltx_core.config.load import load
from ltx_core.config.preflight import refuse
from ltx_core.errors import ConfigError
from ltx_core.geometry.grid import AudioGrid, AudioScale, VideoGrid, VideoScale

ROOT = Path(__file__).parents[3]
TABLE = yaml.safe_load(Path(__file__).with_name("wrong_configs.yaml").read_text(encoding="utf-8"))
LEAST = 45


def check(config, overrides, workspace):
    return refuse(load(ROOT / "configs" / f"{config}.yaml", [*overrides, f"workspace={workspace}"], ROOT))


def test_the_table_is_long_and_says_nothing_twice():
    assert len({(case["config"], *case["set"]) for case in TABLE}) == len(TABLE) >= LEAST
    assert all(len(case["says"]) == 4 for case in TABLE)


@pytest.mark.parametrize("config", sorted({case["config"] for case in TABLE}))
def test_without_what_is_set_wrong_nothing_is_refused(config, tmp_path):
    check(config, (), tmp_path)


@pytest.mark.parametrize("case", TABLE, ids=[f"{case['config']}-{case['says'][1]}" for case in TABLE])
def test_refused_with_field_value_rule_and_nearest_choice(case, tmp_path):
    with pytest.raises(ConfigError) as refused:
        check(case["config"], case["set"], tmp_path)
    lines = str(refused.value).splitlines()
    assert any(all(part in line for part in case["says"]) for line in lines), lines


@st.composite
def held(draw):
    """A grid, and conditions of every countable kind that may hold all of it."""
    scale = VideoScale(4, 16, 32)
    if draw(st.booleans()):
        grid = AudioGrid(draw(st.integers(1, 6)), AudioScale(16000, 160))
    else:
        grid = VideoGrid(*(draw(st.integers(1, 4)) for _ in range(3)), scale)
    spans = st.builds(
        lambda kind, n: kind(temporal_boundary=n), st.sampled_from([Prefix, Suffix]), st.integers(1, 5)
    )
    kinds = [spans]
    if isinstance(grid, VideoGrid):
        corner = st.tuples(*[st.integers(0, 130)] * 4).map(
            lambda r: (min(r[0], r[2]), min(r[1], r[3]), max(r[0], r[2]) + 1, max(r[1], r[3]) + 1)
        )
        kinds += [st.just(FirstFrame()), corner.map(lambda region: SpatialCrop(spatial_region=region))]
    return grid, draw(st.lists(st.one_of(kinds), min_size=1, max_size=3))


@settings(max_examples=100, deadline=None)
@given(case=held())
def test_what_is_counted_is_what_the_conditions_hold_and_the_nearest_choice_is_valid(case):
    grid, conditions = case
    holds = [condition.hold(grid, None) for condition in conditions]
    assert left(conditions, grid) == int((sum(holds) == 0).sum())
    found = fault(conditions, grid)
    empty = [i for i, c in enumerate(conditions) if isinstance(c, SpatialCrop) and not holds[i].any()]
    assert (found is not None) == (bool(empty) or left(conditions, grid) == 0)
    if found is None:
        return
    field, value = (
        ("temporal_boundary", found.largest)
        if found.largest is not None
        else ("spatial_region", found.region)
    )
    if value is None:
        return
    changed = conditions[found.place].model_copy(update={field: value})
    if empty:
        assert changed.hold(grid, None).any() and (changed.hold(grid, None) == 0).any()
    else:
        rest = [*conditions[: found.place], changed, *conditions[found.place + 1 :]]
        assert left(rest, grid) > 0
    if found.largest is not None:
        longer = changed.model_copy(update={"temporal_boundary": found.largest + 1})
        assert left([*conditions[: found.place], longer, *conditions[found.place + 1 :]], grid) == 0
