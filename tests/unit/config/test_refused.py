"""What a config may not say is refused with the key, what was found, and what to write instead."""

from __future__ import annotations

import pytest

from ltx_core.config.load import build
from ltx_core.config.root import EXTRA, OWN
from ltx_core.errors import ConfigError
from ltx_core.stages.dataset import FILLED_BY, TEXT_COLUMN


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"model": {"training_mode": "ful"}}, r"model\.training_mode: .*'lora' or 'full'"),
        ({"optimisation": {}}, r"optimisation: unknown key; did you mean 'optimization'"),
        ({"lora": {"rnk": 4}}, r"lora\.rnk: unknown key; did you mean 'rank'"),
        ({"dataset": {"buckets": ["64x64"]}}, r"dataset\.buckets: .* as 768x448x89"),
        ({"training_strategy": {"video": {"latents_dir": "x"}}}, r"column 'x', .*; use latents"),
        (
            {"training_strategy": {"video": {}, "audio": {"conditions": [{"type": "reference"}]}}},
            r"audio reads .* which no stage makes for audio; use reference_audio_latents",
        ),
        ({"optimization": {"steps": "many"}}, r"optimization\.steps: .*\(found 'many'\)"),
    ],
)
def test_refused(section, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        build(section, tmp_path, "test.yaml")


def test_every_column_that_a_config_may_name_is_made_by_a_stage():
    columns = {*OWN.values(), *(name for names in EXTRA.values() for name in names)}
    assert columns | {TEXT_COLUMN} == set(FILLED_BY)
