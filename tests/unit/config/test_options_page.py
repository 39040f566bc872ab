"""The page that says what shows an option's effect: every option, today's fields, tests that are there."""

from __future__ import annotations

import ast
import re
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path

import yaml
from older_configs import LTX_VIDEO_LORA

from ltx_core.config.root import Config

ROOT = Path(__file__).parents[3]
OPTIONS = {
    "model": "model_source training_mode load_checkpoint",
    "lora": "rank alpha dropout target_modules",
    "conditioning": "mode first_frame_conditioning_p reference_latents_dir",
    "optimization": "learning_rate steps batch_size gradient_accumulation_steps max_grad_norm optimizer_type "
    "scheduler_type scheduler_params enable_gradient_checkpointing",
    "acceleration": "mixed_precision_mode quantization load_text_encoder_in_8bit compile_with_inductor "
    "compilation_mode",
    "data": "preprocessed_data_root num_dataloader_workers",
    "validation": "prompts negative_prompt images reference_videos video_dims seed inference_steps interval "
    "videos_per_prompt guidance_scale",
    "checkpoints": "interval keep_last_n",
    "hub": "push_to_hub hub_model_id",
    "flow_matching": "timestep_sampling_mode timestep_sampling_params",
}
"""The older trainer's reference of its configuration."""
NAMES = [f"{section}.{key}" for section, keys in OPTIONS.items() for key in keys.split()]
CODE = re.compile(r"`([^`]+)`")


def rows():
    """(option, today's fields, tests, what they show) of every line of the page's table."""
    lines = (ROOT / "docs" / "options.md").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if line.startswith("| `"):
            option, today, tests, shown = (cell.strip() for cell in line.strip("|").split("|"))
            yield option.strip("`"), CODE.findall(today), CODE.findall(tests), shown


@cache
def names_in(path):
    """Names of the tests that a file of `tests` has."""
    assert path.name.startswith("test_") and path.is_file(), f"{path} is no file of tests"
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def is_field(name):
    """Whether a dotted name is a field of today's config."""
    section, key = name.split(".")
    found = Config.model_fields[section].annotation
    return key in ({f.name for f in fields(found)} if is_dataclass(found) else found.model_fields)


def test_every_option_has_tests_that_are_there():
    found = list(rows())
    assert [option for option, *_ in found] == NAMES
    for option, today, tests, shown in found:
        assert today and all(is_field(name) for name in today), option
        assert tests and shown, option
        for test in tests:
            path, _, name = test.partition("::")
            assert name in names_in(ROOT / "tests" / path), f"{option}: there is no {test}"


def test_the_options_are_those_of_a_whole_config_of_the_older_trainer():
    stated = yaml.safe_load(LTX_VIDEO_LORA)
    keys = {
        f"{name}.{key}" for name, section in stated.items() if isinstance(section, dict) for key in section
    }
    assert keys == set(NAMES)
