"""Every allocation of a training step on one device, counted on tensors that have no memory.

PyTorch's fake tensors run the real code with shapes alone, so the peak of a model that fits nowhere near this machine
is known in seconds. What a process needs beside tensors (libraries, fragments, kernels' scratch) is not in it.
"""

import contextlib
import weakref
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from ecomgpt.config.schema import Config, StrategyConfig
from ecomgpt.model.network import Network
from ecomgpt.model.random_weights import materialise
from ecomgpt.plan.memory import ANSWER_SHARE
from ecomgpt.trainer.optimizer import make_optimizer
from ecomgpt.tuning.apply import apply_tuning

STEPS, MICRO = 2, 2
"""Optimizer steps (the second one has the optimizer's states) of so many micro-batches at most (gradients add up)."""


class Allocations(TorchDispatchMode):
    """Bytes of all storages that are alive.

    Attributes:
        now: At this moment.
        peak: The most there have been.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = function(*args, **(kwargs or {}))
        for value in tree_iter(output):
            # Sparse gradients of embeddings have no storage of their own; their rows are few.
            if isinstance(value, torch.Tensor) and value.layout == torch.strided:
                self.count(value)
        return output

    def count(self, tensor: torch.Tensor) -> None:
        """Counts a tensor's storage until it is freed."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += self._sizes[key]
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._free, key)

    def _free(self, key: int) -> None:
        self.now -= self._sizes.pop(key, 0)


def peak_bytes(config: Config, model: Any, half: bool, mixed: bool) -> int:
    """Highest sum of all tensors over two optimizer steps of one or two micro-batches, as the configuration has it.

    Args:
        config: The run's configuration; its strategy is taken as one device.
        model: The untuned backbone on the ``meta`` device, float32; it is changed.
        half: Whether activations are 16-bit.
        mixed: Whether weights stay float32 beside 16-bit activations.
    """
    with torch.device("meta"):
        model.tie_weights()
        model = apply_tuning(model, config.tuning)
    if config.trainer.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    rows, row = config.trainer.micro_rows or 1, config.trainer.row_tokens or config.data.max_length
    micro = min(MICRO, max(1, config.trainer.batch_tokens // (rows * row)))
    autocast = torch.autocast("cpu", torch.bfloat16) if half and mixed else contextlib.nullcontext()
    with FakeTensorMode():
        materialise(model, torch.bfloat16 if half and not mixed else torch.float32)
        network = Network(model.train())
        optimizer = make_optimizer(network, config.trainer, StrategyConfig(name="auto"))
        counted = Allocations()
        for weight in model.parameters():
            counted.count(weight)
        ids = torch.zeros(1, rows * row, dtype=torch.long)
        targets = torch.zeros(int(rows * row * ANSWER_SHARE), dtype=torch.long)
        with counted:
            for _ in range(STEPS):
                for _ in range(micro):
                    with autocast:
                        loss = network(ids, ids, [row] * rows, targets, targets).sum()
                    loss.backward()
                    del loss
                optimizer.step()
                optimizer.zero_grad()
    return counted.peak
