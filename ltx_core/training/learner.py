"""What learns: the trainable parameters, their optimizer and learning rates, and their state."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ltx_core.errors import LtxError
from ltx_core.models.sharding import fill, is_sharded, lent, local, shared_like
from ltx_core.store.tensors import brought_together
from ltx_core.training.checkpoint import TrainingState
from ltx_core.training.ema import Average
from ltx_core.training.optimizer_state import moments_of, put_back, unused, values_of
from ltx_core.training.optimizers import (
    make_optimizer,
    offloaded,
    parameter_groups,
    rates_of,
    set_learning_rate,
    trainable,
)
from ltx_core.training.options import OptimizationOptions
from ltx_core.training.schedule import learning_rate
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
        groups = parameter_groups(self.parameters, options)
        self.groups = tuple(groups)
        self.optimizer = accelerator.prepare_optimizer(make_optimizer(groups, options, fused))
        self.average = None if options.ema_decay is None else Average(self.parameters, options)
        self._unused = unused(self.optimizer.optimizer)
        self._step = 0

    def begin(self, step: int) -> dict[str, float]:
        """Set the learning rates of optimizer step `step`, from 0; returns them by column of the records."""
        self._step = step
        rates = rates_of(self.options, step, self.groups)
        set_learning_rate(self.optimizer, list(rates.values()))
        own = {f"lr_{name}": rate for name, rate in rates.items() if name in ("video", "audio")}
        return {"lr": learning_rate(self.options, step), **own}

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
        skipped = apply_gradients(self.accelerator, self.optimizer, learning, limit, norm)
        if self.average is not None and not skipped:
            self.average.after(self._step + 1)
        return norm, skipped

    def fresh(self) -> list[tuple[int, ...]]:
        """Shapes, in this process, of the parameters that have no moments yet."""
        held = self.optimizer.optimizer.state
        return [tuple(local(value).shape) for value in self.parameters.values() if not held.get(value)]

    def clear(self) -> None:
        """Forget the gradients."""
        self.optimizer.zero_grad(set_to_none=True)

    @contextmanager
    def evaluating(self, offload: bool) -> Iterator[None]:
        """Inside the block the model evaluates, with the average's weights where there is one; the
        optimizer's moments lie on the host where `offload`."""
        self.model.eval()
        try:
            with torch.no_grad(), offloaded(self.optimizer.optimizer, offload), self._averaged():
                yield
        finally:
            self.model.train()

    def weights(self) -> Mapping[str, Tensor]:
        """The parameters' own values, by name, which the training goes on from."""
        exchanged = self.average is not None and self.average.inside
        return self._average_values() if exchanged else dict(self.parameters)

    def moments(self) -> Mapping[str, Tensor]:
        """The optimizer's tensors, named "parameter/moment"."""
        return moments_of(self.parameters, self.optimizer.optimizer)

    def values(self) -> dict[str, Any]:
        """What else the optimizer keeps, as JSON; it belongs to the moments."""
        return {"optimizer": values_of(self.parameters, self.optimizer.optimizer, self._unused)}

    def averages(self) -> Mapping[str, Tensor]:
        """The average of the weights, by name; none without."""
        exchanged = self.average is not None and self.average.inside
        return dict(self.parameters) if exchanged else self._average_values()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Inside the block the first process writes what all hold parts of; the others go through it idly.
        The model has the average's weights, which are those to export; `weights` are the own ones."""
        held: list[Tensor] = [*self.model.parameters()]
        if any(is_sharded(tensor) for tensor in held):
            # By name: a state that was put back has its moments in another order in every process.
            moments = [moment for _, moment in sorted(self.moments().items())]
            held = [*held, *moments, *self._average_values().values()]
        main = self.accelerator.is_main_process
        shares = [tensor for tensor in held if is_sharded(tensor)]
        with self._averaged(), lent(shares, main=main) as whole, brought_together(whole):
            yield

    def numbers(self) -> dict[str, Any]:
        """Counters of a checkpoint, as JSON."""
        scaler = self.accelerator.scaler
        found = {} if scaler is None else {"scaler": scaler.state_dict()}
        return found if self.average is None else {**found, **self.average.numbers()}

    def restore(self, state: TrainingState) -> None:
        """Go on from a checkpoint's state.

        Raises:
            LtxError: when the parameters are not those of the state.
        """
        if set(state.parameters) != set(self.parameters):
            differing = sorted(set(state.parameters) ^ set(self.parameters))
            raise LtxError(
                f"the checkpoint's trainable parameters are not this model's ({len(differing)} differ, "
                f"such as {differing[0]}); use the configuration that it was made with"
            )
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                fill(parameter, state.parameters[name])
        values = state.numbers.get("optimizer", {})
        moments = {
            name: shared_like(value, self.parameters.get(name.partition("/")[0], value))
            for name, value in state.optimizer.items()
        }
        put_back(moments, values, self.parameters, self.optimizer.optimizer)
        if self.average is not None:
            self.average.restore(state.averages, state.numbers)
        if self.accelerator.scaler is not None and "scaler" in state.numbers:
            self.accelerator.scaler.load_state_dict(state.numbers["scaler"])

    def _average_values(self) -> dict[str, Tensor]:
        return {} if self.average is None else dict(self.average.values)

    def _averaged(self) -> AbstractContextManager[None]:
        return nullcontext() if self.average is None else self.average.swapped()
