"""The gradient of a head that is the embedding as well, made once instead of twice.

Plain PyTorch makes a gradient of BLOOM's 250,880 rows at the beginning of the backward pass, for the head, keeps it beside all
activations, makes another one at the end, for the embedding, and adds the two. Here the head keeps the two factors of its own
gradient, which are small, and the embedding multiplies them when activations are gone, and adds its rows in place.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

SLICE = 2**15
"""Rows of the head whose gradient exists in 16 bit at the same time, on its way to float32."""


class LateGradient:
    """The head's gradient of one forward pass, on its way to the embedding.

    Args:
        dtype: Of the weight.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._factors: tuple[torch.Tensor, torch.Tensor] | None = None
        self._sum: torch.Tensor | None = None

    def add(self, logits: torch.Tensor, hidden: torch.Tensor) -> None:
        """Adds ``logits.T @ hidden``: gradients of logits, shape (N, V), and what the head multiplied, shape (N, width)."""
        if self._factors is None and self._sum is None and len(hidden) <= hidden.shape[1]:
            self._factors = logits, hidden
        else:  # longer answers come in chunks; the sum is smaller than all their factors
            self._sum = self.take()
            self._sum = _product(logits, hidden, self.dtype, self._sum)

    def take(self) -> torch.Tensor | None:
        """The sum, shape (V, width), which is then forgotten; None where nothing was added."""
        factors, total = self._factors, self._sum
        self._factors = self._sum = None
        return _product(*factors, self.dtype, None) if factors else total


def _product(
    logits: torch.Tensor, hidden: torch.Tensor, dtype: torch.dtype, total: torch.Tensor | None
) -> torch.Tensor:
    """``total + logits.T @ hidden``, in the memory of ``total`` if there is one."""
    if logits.dtype == dtype:
        return logits.t() @ hidden if total is None else total.addmm_(logits.t(), hidden)
    result = (
        torch.empty(logits.shape[1], hidden.shape[1], dtype=dtype, device=hidden.device) if total is None else total
    )
    for part, rows in zip(logits.split(SLICE, dim=1), result.split(SLICE), strict=True):
        product = part.t() @ hidden
        rows.copy_(product) if total is None else rows.add_(product)
    return result


class TiedEmbedding(nn.Embedding):
    """An embedding that also gives the head's gradient.

    Attributes:
        late: Of the forward pass just made, for the head to take; None where the weight is not trained.
    """

    late: LateGradient | None = None

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """As `nn.Embedding`."""
        if not (torch.is_grad_enabled() and self.weight.requires_grad):
            return super().forward(input)
        self.late = LateGradient(self.weight.dtype)
        return _Rows.apply(input, self.weight, self.padding_idx, self.late)


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, ids: torch.Tensor, weight: torch.Tensor, padding: int | None, late: LateGradient
    ) -> torch.Tensor:
        ctx.save_for_backward(ids)
        ctx.shape, ctx.padding, ctx.late = weight.shape, padding, late
        return F.embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (ids,) = ctx.saved_tensors
        total = ctx.late.take()  # the head's backward pass came first: what arrives here has gone through it
        if total is None:
            total = torch.zeros(ctx.shape, dtype=ctx.late.dtype, device=upstream.device)
        if ctx.padding is not None:
            upstream = upstream.masked_fill((ids == ctx.padding)[..., None], 0.0)
        places, rows = ids.flatten(), upstream.flatten(0, -2).to(total.dtype)
        # Each is the one that adds in a fixed order on its device.
        if total.is_cuda:
            total.index_put_((places,), rows, accumulate=True)
        else:
            total.index_add_(0, places, rows)
        return None, total, None, None


def tie_gradients(embedding: nn.Module, head: nn.Module) -> None:
    """Lets the embedding give the head's gradient too, if the two are one weight."""
    if (
        type(embedding) is nn.Embedding
        and embedding.max_norm is None
        and not embedding.scale_grad_by_freq
        and embedding.weight is head.weight
    ):
        embedding.__class__ = TiedEmbedding


def late_gradient(embedding: nn.Module) -> LateGradient | None:
    """Of the forward pass just made; it is handed out once."""
    late = embedding.late if isinstance(embedding, TiedEmbedding) else None
    if late is not None:
        embedding.late = None  # type: ignore[assignment]
    return late
