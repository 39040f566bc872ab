"""The sampling levels against diffusers' scheduler, as the public pipelines of each family set it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltx_core.diffusion.levels import schedule
from ltx_core.diffusion.options import TERMINAL, Schedule

SAMPLING_SHIFT = 2.05


@pytest.mark.parametrize("steps", [2, 3, 16, 30, 100])
def test_parity_with_the_scheduler(steps):
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=TERMINAL)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps), mu=SAMPLING_SHIFT)
    found = schedule(steps)
    torch.testing.assert_close(found, scheduler.sigmas, rtol=1e-6, atol=1e-6)
    assert found[0] == 1 and found[-1] == 0 and found[-2] == pytest.approx(TERMINAL, abs=1e-6)
    assert (found.diff() < 0).all()


@pytest.mark.parametrize("tokens", [60, 1024, 6120])
def test_a_shift_by_tokens_is_that_of_the_older_ltx_video_pipeline(tokens):
    from diffusers import FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.ltx.pipeline_ltx import calculate_shift

    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=TERMINAL)
    mu = calculate_shift(tokens, 1024, 4096, 0.95, 2.05)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / 20, 20), mu=mu)
    found = schedule(20, Schedule("by_tokens"), tokens)
    torch.testing.assert_close(found, scheduler.sigmas, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("steps", [2, 3, 8, 25, 40])
def test_without_a_shift_it_is_the_schedule_of_the_later_ltx_video_pipeline(steps):
    from diffusers import FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.ltx.pipeline_ltx_condition import linear_quadratic_schedule

    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=False)
    scheduler.set_timesteps(timesteps=linear_quadratic_schedule(steps) * 1000)
    found = schedule(steps, Schedule("linear_quadratic", terminal=None))
    torch.testing.assert_close(found, scheduler.sigmas, rtol=1e-6, atol=1e-6)
    assert found[0] == 1 and (found.diff() < 0).all()


def test_one_step_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        schedule(1)
