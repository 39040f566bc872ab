"""A model that gives its device to another one for a while."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn

from ltx_core.models.sharding import is_sharded

HOST = torch.device("cpu")


class Aside:
    """Puts a module's weights on the host and back, each to where it was; the module and who learns stay.

    Weights that lie on the host already, as those of swapped blocks do, are left there; those that are shared
    out among processes stay, since all of them fetch them.

    Args:
        module: the model.
        host: where it waits.
    """

    def __init__(self, module: nn.Module, host: torch.device = HOST) -> None:
        self.module, self.host = module, host
        self._places: list[tuple[Tensor, torch.device]] = []

    @property
    def waiting(self) -> bool:
        """Whether the weights are on the host."""
        return bool(self._places)

    def wait(self) -> None:
        """Leave the device."""
        if self.waiting:
            return
        tensors = chain(self.module.parameters(), self.module.buffers())
        moves = (tensor for tensor in tensors if tensor.device != self.host and not is_sharded(tensor))
        found = {id(tensor): tensor for tensor in moves}
        self._places = [(tensor, tensor.device) for tensor in found.values()]
        for tensor, _ in self._places:
            tensor.data = tensor.data.to(self.host)

    def wake(self) -> None:
        """Come back."""
        places, self._places = self._places, []
        for tensor, device in places:
            tensor.data = tensor.data.to(device)
