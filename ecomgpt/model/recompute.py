"""Recomputes results that are cheap to compute in the backward pass instead of storing them.

A block of BLOOM stores 17 widths per token; normalised inputs and GELU's outputs are 6 of them and cost about a
hundredth of a step. Gradient checkpointing, which stores 1, costs a third.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks


@dataclass(frozen=True)
class _Recomputed:
    """Placeholder for a result to recompute, with the view of it that autograd wanted to save."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


def recompute_linear(linear: Callable[[Tensor], Tensor], cheap: Callable[[Tensor], Tensor], source: Tensor) -> Tensor:
    """``linear(cheap(source))`` that saves ``source`` but not ``cheap(source)`` for the backward pass.

    Args:
        linear: A linear layer, with or without adapters.
        cheap: A deterministic function; what it saves for its own gradient is saved as usual.
        source: Input of ``cheap``.

    Returns:
        The same values and gradients, to the last bit.
    """
    kind = source.device.type
    # Cast here what autocast would cast inside the linear layer, or the layer would save the copy.
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None

    def make(tensor: Tensor) -> Tensor:
        result = cheap(tensor)
        return result if dtype is None else result.to(dtype)

    made, kept = make(source), source.detach()
    if torch.compiler.is_compiling() or not made.requires_grad:  # a compiler decides itself what to recompute
        return linear(made)
    storage = made.untyped_storage()._cdata

    def pack(tensor: Tensor) -> Tensor | _Recomputed:
        if tensor.untyped_storage()._cdata != storage:
            return tensor
        return _Recomputed(tensor.shape, tensor.stride(), int(tensor.storage_offset()))

    def unpack(stored: Tensor | _Recomputed) -> Tensor:
        if not isinstance(stored, _Recomputed):
            return stored
        with torch.no_grad(), torch.autocast(kind, enabled=False):
            return make(kept).as_strided(stored.shape, stored.stride, stored.offset)

    with saved_tensors_hooks(pack, unpack):
        return linear(made)
