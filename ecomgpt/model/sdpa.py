"""Packed attention through `scaled_dot_product_attention`, on CPUs and any GPU."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 256
"""Queries at once: keys that come after a block of queries are never multiplied, and the bias table stays small."""


def alibi_table(slopes: Tensor, longest: int) -> Tensor:
    """ALiBi (Press et al., 2022) with causality folded in, for a block of queries at any place of an example.

    The bias is ``slope * (key - query)``. Softmax ignores a constant per query, so this equals BLOOM's ``slope * key``,
    but its values are small near the diagonal. It depends on the distance alone, so one table serves all blocks: entry
    (row, column) is the bias at distance ``column - (columns - BLOCK) - row``, and a block takes the columns that end
    at its own.

    Args:
        slopes: Shape (heads,), float32.
        longest: Tokens of the longest example.

    Returns:
        Shape (heads, BLOCK, columns), float32 whatever the queries' format, so that distant keys stay distinct in
        bfloat16.
    """
    rows = min(BLOCK, longest)
    columns = rows + (longest - 1) // BLOCK * BLOCK
    place = torch.arange(columns, device=slopes.device, dtype=torch.float32)
    distance = place[None, :] - (columns - rows) - place[:rows, None]
    bias = slopes[:, None, None] * distance
    return bias.masked_fill_(distance > 0, -torch.inf)


@torch.compiler.disable
def sdpa_packed(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    lengths: Sequence[int],
    table: Tensor | None,
    scale: float,
    dropout: float,
) -> Tensor:
    """One example after the other; shapes as in `ecomgpt.model.attention.PackedAttention`."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    # Autocast would round the float32 bias to the queries' format.
    with torch.autocast(query.device.type, enabled=False):
        pieces = []
        for one, keys, values in zip(
            *(tensor.split(list(lengths), dim=2) for tensor in (query, key, value)), strict=True
        ):
            if table is None:
                pieces.append(
                    F.scaled_dot_product_attention(one, keys, values, dropout_p=dropout, is_causal=True, scale=scale)
                )
            else:
                pieces += _with_alibi(one, keys, values, table, scale, dropout)
        return torch.cat([piece.transpose(1, 2) for piece in pieces], dim=1)


def _with_alibi(query: Tensor, key: Tensor, value: Tensor, table: Tensor, scale: float, dropout: float) -> list[Tensor]:
    """One example, in blocks of queries."""
    rows, tokens = table.shape[1], query.shape[2]
    blocks = []
    for start in range(0, tokens, BLOCK):
        end = min(start + BLOCK, tokens)
        first = table.shape[2] - rows - start
        bias = table[None, :, : end - start, first : first + end]
        blocks.append(
            F.scaled_dot_product_attention(
                query[:, :, start:end],
                key[:, :, :end],
                value[:, :, :end],
                attn_mask=bias,
                dropout_p=dropout,
                scale=scale,
            )
        )
    return blocks
