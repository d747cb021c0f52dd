"""Packed attention through FlexAttention: blocks between examples are skipped, ALiBi is added inside the kernel."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


def make_block_mask(lengths: Sequence[int], device: torch.device) -> Any:
    """Causality and the examples' borders.

    Args:
        lengths: Tokens of each example.
        device: Where attention runs.
    """
    sizes = torch.tensor(list(lengths), device=device)
    number = torch.repeat_interleave(torch.arange(len(lengths), device=device), sizes)

    def visible(batch: Any, head: Any, query: Any, key: Any) -> Any:
        return (query >= key) & (number[query] == number[key])

    tokens = sum(lengths)
    return create_block_mask(visible, None, None, tokens, tokens, device=device)


def flex_attention_packed(
    query: Tensor, key: Tensor, value: Tensor, block_mask: Any, slopes: Tensor | None, scale: float
) -> Tensor:
    """Shapes as in `ecomgpt.model.attention.PackedAttention`; scores and ALiBi are float32 inside the kernel."""

    def alibi(score: Any, batch: Any, head: Any, query: Any, key: Any) -> Any:
        assert slopes is not None
        return score + slopes[head] * (key - query)

    grouped = query.shape[1] != key.shape[1]
    output = _kernel(query.device.type)(
        query,
        key,
        value,
        score_mod=None if slopes is None else alibi,
        block_mask=block_mask,
        scale=scale,
        enable_gqa=grouped,
    )
    return output.transpose(1, 2).contiguous()


@cache
def _kernel(device: str) -> Any:
    """Compiled where Triton makes a kernel of it; elsewhere PyTorch's plain formula, which serves tests."""
    return torch.compile(flex_attention, dynamic=True) if device == "cuda" else flex_attention
