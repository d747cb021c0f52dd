"""Attention over packed examples: each sees itself alone, whatever stands beside it.

A micro-batch is one row of examples without padding. A `Layout` knows where they begin and end, and computes attention
for BLOOM and for models with transformers' attention interface alike. Which kernel runs is chosen by what the device
can do: FlexAttention with a block mask where it compiles (CUDA), else PyTorch's `scaled_dot_product_attention`, one
example after the other, so that the cost is the sum of squared lengths and no bias over the whole row is ever made.

    row          a a a a b b c c c      examples of 4, 2 and 3 tokens
    positions    0 1 2 3 0 1 0 1 2
    b's second token sees b b, and nothing of a or c
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ecomgpt.model.flex import flex_attention_packed, make_block_mask
from ecomgpt.model.sdpa import alibi_table, sdpa_packed

PackedAttention: TypeAlias = Callable[..., Tensor]
"""What blocks hand queries, keys and values to: a `Layout` in training, keys and values of a store in decoding.

Called with the block's attention module, queries (1, heads, T, size), keys and values (1, heads or fewer, T, size;
fewer heads are shared by groups of queries), the scale of the scores before ALiBi, and the dropout probability of
attention weights. Returns the context (1, T, heads, size), contiguous, of causal attention within each example.
"""


@dataclass(frozen=True)
class Layout:
    """A `PackedAttention` for training: where a row's examples lie, and what the kernel needs; one per micro-batch.

    Attributes:
        lengths: Tokens of each example; their sum is the row's length.
        slopes: ALiBi's slope of each head, shape (heads,), float32; None without ALiBi.
        table: ALiBi and causality for `sdpa_packed`, from `alibi_table`; None without ALiBi or with FlexAttention.
        block_mask: Which blocks FlexAttention visits; None with `scaled_dot_product_attention`.
    """

    lengths: tuple[int, ...]
    slopes: Tensor | None = None
    table: Tensor | None = None
    block_mask: Any = None

    def __call__(
        self, module: nn.Module | None, query: Tensor, key: Tensor, value: Tensor, scale: float, dropout: float = 0.0
    ) -> Tensor:
        """See `PackedAttention`."""
        if self.block_mask is None:
            return sdpa_packed(query, key, value, self.lengths, self.table, scale, dropout)
        if dropout:
            raise ValueError("FlexAttention has no dropout on attention weights; set model.attention=sdpa")
        return flex_attention_packed(query, key, value, self.block_mask, self.slopes, scale)


def choose_kernel(device: torch.device, requested: str = "auto") -> str:
    """``flex`` or ``sdpa``.

    Args:
        device: Where attention runs.
        requested: ``model.attention``; ``auto`` takes FlexAttention on GPUs that Triton compiles for (Ampere or newer).
    """
    if requested != "auto":
        return requested
    return "flex" if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0) else "sdpa"


def make_layout(lengths: Sequence[int], device: torch.device, slopes: Tensor | None, kernel: str) -> Layout:
    """Prepares a micro-batch's attention; see `Layout`."""
    sizes = tuple(int(length) for length in lengths)
    if kernel == "flex":
        return Layout(sizes, slopes, None, make_block_mask(sizes, device))
    return Layout(sizes, slopes, None if slopes is None else alibi_table(slopes, max(sizes)), None)
