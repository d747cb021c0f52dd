"""Memory for models that were described without any."""

from typing import Any

import torch
from torch import nn


def materialise(model: nn.Module, dtype: torch.dtype) -> None:
    """Gives each weight and buffer of a ``meta`` model memory without contents, fake in a fake mode; tied ones stay one."""
    made: dict[int, torch.Tensor] = {}
    for module in model.modules():
        stores: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
        for store in stores:
            for name, old in store.items():
                if old is None:
                    continue
                if id(old) not in made:
                    new = torch.empty(old.shape, dtype=dtype if old.is_floating_point() else old.dtype)
                    made[id(old)] = (
                        nn.Parameter(new, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else new
                    )
                store[name] = made[id(old)]
