"""Results that are cheap to make are not kept for the backward pass, but made again there.

A block of BLOOM keeps 17 widths a token; normalised inputs and GELU's outputs are 6 of them and cost about a hundredth of a
step. Gradient checkpointing, which keeps 1, costs a third.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.autograd.graph import saved_tensors_hooks


@dataclass(frozen=True)
class _Again:
    """Stands for a result that is to be made again, in the view in which it was to be kept."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


def through(
    linear: Callable[[torch.Tensor], torch.Tensor], cheap: Callable[[torch.Tensor], torch.Tensor], source: torch.Tensor
) -> torch.Tensor:
    """``linear(cheap(source))``, which keeps ``source`` alone.

    Args:
        linear: A linear layer, with or without adapters.
        cheap: A function without randomness; what it keeps for its own gradient it keeps as always.
        source: What ``cheap`` takes.

    Returns:
        The same values and gradients, to the last bit.
    """
    kind = source.device.type
    # Cast here what autocast would cast inside the linear layer, or it would keep the copy.
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None

    def make(tensor: torch.Tensor) -> torch.Tensor:
        result = cheap(tensor)
        return result if dtype is None else result.to(dtype)

    made, kept = make(source), source.detach()
    if torch.compiler.is_compiling() or not made.requires_grad:  # the compiler decides itself what to make again
        return linear(made)
    storage = made.untyped_storage()._cdata

    def pack(tensor: torch.Tensor) -> torch.Tensor | _Again:
        if tensor.untyped_storage()._cdata != storage:
            return tensor
        return _Again(tensor.shape, tensor.stride(), int(tensor.storage_offset()))

    def unpack(stored: torch.Tensor | _Again) -> torch.Tensor:
        if not isinstance(stored, _Again):
            return stored
        with torch.no_grad(), torch.autocast(kind, enabled=False):
            return make(kept).as_strided(stored.shape, stored.stride, stored.offset)

    with saved_tensors_hooks(pack, unpack):
        return linear(made)
