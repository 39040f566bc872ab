"""Bytes of the tensors that live at once, counted operation by operation."""

from __future__ import annotations

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class LiveTensors(TorchDispatchMode):
    """Within the block, `peak` is the largest sum of what operations have made and nobody has let go of."""

    def __init__(self):
        super().__init__()
        self.living = {}
        self.peak = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        given = {storage._cdata for storage in _storages((args, kwargs))}
        for storage in _storages(result):
            if storage._cdata not in given:  # no view
                self.living[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self.living = {key: value for key, value in self.living.items() if not value[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.living.values()))
        return result


def _storages(values):
    return [value.untyped_storage() for value in tree_iter(values) if isinstance(value, Tensor)]
