"""What learns: the trainable parameters, their optimizer and learning rates, and their state."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ltx_core.training.checkpoint import TrainingState
from ltx_core.training.optim import adamw, learning_rate, offloaded, set_learning_rate, trainable
from ltx_core.training.options import OptimizationOptions
from ltx_core.training.resume import moments_of, put_back
from ltx_core.training.update import apply_gradients, gradient_norm


class Learner:
    """The parameters of a model that learn, and all that changes them."""

    def __init__(
        self,
        model: nn.Module,
        options: OptimizationOptions,
        accelerator: Accelerator,
        fused: bool | None = None,
    ) -> None:
        """Take what learns; `fused`: whether its update is one kernel, None: where that is usual."""
        self.model, self.options, self.accelerator = model, options, accelerator
        self.parameters = trainable(model)
        self.optimizer = accelerator.prepare_optimizer(adamw(self.parameters.values(), options))

    def begin(self, step: int) -> float:
        """Set the learning rates of optimizer step `step`, from 0; returns that of the records."""
        rate = learning_rate(self.options, step)
        set_learning_rate(self.optimizer, rate)
        return rate

    def norm(self) -> Tensor:
        """Norm of the gradients of all processes, on the device."""
        return gradient_norm(self.accelerator, self.optimizer, self.parameters.values())

    def update(self, loss: float | None, norm: float) -> tuple[float | None, str]:
        """Apply the gradients, of this norm, of a finite loss; (norm, why nothing changed or "")."""
        if loss is None or not math.isfinite(loss):
            if self.accelerator.scaler is not None:
                self.accelerator.scaler.update()  # it has seen these gradients, and begins the next step anew
            return None, f"loss is {loss}"
        limit, learning = self.options.max_grad_norm, self.parameters.values()
        return norm, apply_gradients(self.accelerator, self.optimizer, learning, limit, norm)

    def clear(self) -> None:
        """Forget the gradients."""
        self.optimizer.zero_grad(set_to_none=True)

    @contextmanager
    def evaluating(self, offload: bool) -> Iterator[None]:
        """Inside the block the model evaluates; the optimizer's moments lie on the host where `offload`."""
        self.model.eval()
        try:
            with torch.no_grad(), offloaded(self.optimizer.optimizer, offload):
                yield
        finally:
            self.model.train()

    def weights(self) -> Mapping[str, Tensor]:
        """What a checkpoint's weights are, by name."""
        return dict(self.parameters)

    def moments(self) -> Mapping[str, Tensor]:
        """The optimizer's tensors, named "parameter/moment"."""
        return moments_of(self.parameters, self.optimizer.optimizer)

    def numbers(self) -> dict[str, Any]:
        """Counters of a checkpoint, as JSON."""
        scaler = self.accelerator.scaler
        return {} if scaler is None else {"scaler": scaler.state_dict()}

    def restore(self, state: TrainingState) -> None:
        """Go on from a checkpoint's state.

        Raises:
            LtxError: when the parameters are not those of the state.
        """
        put_back(state, self.parameters, self.optimizer.optimizer)
        if self.accelerator.scaler is not None and "scaler" in state.numbers:
            self.accelerator.scaler.load_state_dict(state.numbers["scaler"])
