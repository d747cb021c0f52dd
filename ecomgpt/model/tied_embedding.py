"""One gradient buffer for a head tied to the embedding, instead of two.

Plain PyTorch computes a gradient of BLOOM's 250,880 rows at the beginning of the backward pass, for the head, keeps it
beside all activations, computes another at the end, for the embedding, and adds the two. Here the head keeps the two
small factors of its own gradient; the embedding multiplies them once activations are freed, and adds its own rows in
place.
"""

from typing import Any, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLICE = 2**15
"""Rows of the head's gradient that exist in 16 bit at the same time, on their way to float32."""


class LateGradient:
    """The head's gradient of one forward pass, on its way to the embedding.

    Args:
        dtype: The weight's.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._factors: tuple[Tensor, Tensor] | None = None
        self._sum: Tensor | None = None

    def add(self, logits: Tensor, hidden: Tensor) -> None:
        """Adds ``logits.T @ hidden``: gradients of logits, shape (N, V), and inputs of the head, shape (N, width)."""
        if self._factors is None and self._sum is None and len(hidden) <= hidden.shape[1]:
            self._factors = logits, hidden
        else:  # longer answers come in chunks; the sum is smaller than all their factors
            self._sum = self.take()
            self._sum = _product(logits, hidden, self.dtype, self._sum)

    def take(self) -> Tensor | None:
        """Returns the sum, shape (V, width), and forgets it; None if nothing was added."""
        factors, total = self._factors, self._sum
        self._factors = self._sum = None
        return _product(*factors, self.dtype, None) if factors else total


def _product(logits: Tensor, hidden: Tensor, dtype: torch.dtype, total: Tensor | None) -> Tensor:
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
    """An embedding that also computes the head's gradient, to take the place of a model's own.

    Args:
        embedding: The model's own embedding, whose weight is shared, not copied.

    Attributes:
        late: The head's gradient of the last forward pass, for the head to take; None if the weight is frozen.
    """

    def __init__(self, embedding: nn.Embedding) -> None:
        rows, width = embedding.weight.shape
        super().__init__(rows, width, embedding.padding_idx, device="meta")
        self.weight = embedding.weight
        self.late: LateGradient | None = None

    @staticmethod
    def suits(embedding: nn.Module, head: nn.Module) -> TypeGuard[nn.Embedding]:
        """True if the two are one weight, and the embedding is plain."""
        return (
            type(embedding) is nn.Embedding
            and embedding.max_norm is None
            and not embedding.scale_grad_by_freq
            and embedding.weight is head.weight
        )

    def forward(self, input: Tensor) -> Tensor:
        """See `nn.Embedding`."""
        if not (torch.is_grad_enabled() and self.weight.requires_grad):
            return super().forward(input)
        self.late = LateGradient(self.weight.dtype)
        return _Rows.apply(input, self.weight, self.padding_idx, self.late)


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ids: Tensor, weight: Tensor, padding: int | None, late: LateGradient) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.shape, ctx.padding, ctx.late = weight.shape, padding, late
        return F.embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (ids,) = ctx.saved_tensors
        total = ctx.late.take()  # the head's backward pass came first: this gradient has gone through it
        if total is None:
            total = torch.zeros(ctx.shape, dtype=ctx.late.dtype, device=upstream.device)
        if ctx.padding is not None:
            upstream = upstream.masked_fill((ids == ctx.padding)[..., None], 0.0)
        places, rows = ids.flatten(), upstream.flatten(0, -2).to(total.dtype)
        # On each device the one that adds in a fixed order.
        if total.is_cuda:
            total.index_put_((places,), rows, accumulate=True)
        else:
            total.index_add_(0, places, rows)
        return None, total, None, None


def late_gradient(embedding: nn.Module) -> LateGradient | None:
    """Takes the `LateGradient` of the last forward pass out of its embedding; None for other embeddings."""
    late = embedding.late if isinstance(embedding, TiedEmbedding) else None
    if late is not None:
        embedding.late = None  # type: ignore[assignment]
    return late
