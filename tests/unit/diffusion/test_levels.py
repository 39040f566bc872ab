"""The sampling levels against diffusers' scheduler, which LTX-2's pipelines use."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltx_core.diffusion.levels import SAMPLING_SHIFT, TERMINAL, schedule


@pytest.mark.parametrize("steps", [2, 3, 16, 30, 100])
def test_parity_with_the_scheduler(steps):
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=TERMINAL)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps), mu=SAMPLING_SHIFT)
    found = schedule(steps)
    torch.testing.assert_close(found, scheduler.sigmas, rtol=1e-6, atol=1e-6)
    assert found[0] == 1 and found[-1] == 0 and found[-2] == pytest.approx(TERMINAL, abs=1e-6)
    assert (found.diff() < 0).all()


def test_one_step_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        schedule(1)
