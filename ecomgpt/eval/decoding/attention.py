"""Attention over stored keys and values: of prompts, of one new token per beam, and of a tree of continuations.

All tokens that are read at once, of however many rows, form one row without padding: everything but attention treats
each token alone. Attention gets queries, keys and values of these new tokens and finds the older ones in the `Store`.
"""

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ecomgpt.eval.decoding.tree import Tree
from ecomgpt.model.attention import PackedAttention

if TYPE_CHECKING:
    from ecomgpt.eval.decoding.store import Store


def prompt_attention(store: "Store", lengths: list[int], slots: list[int]) -> PackedAttention:
    """Of prompts, each over the shared prefix and itself; their keys and values are stored in their slots."""
    old, mask = store.shared, store.triangle(store.shared + max(lengths), store.model.dtype)

    def attend(module: Any, query: Tensor, key: Tensor, value: Tensor, scale: float, *_: Any) -> Tensor:
        start, outputs = 0, []
        keys, values = store.keys[module.layer_idx], store.values[module.layer_idx]
        for slot, length in zip(slots, lengths, strict=True):
            new, end = slice(start, start + length), old + length
            keys[slot, :, old:end], values[slot, :, old:end] = key[0, :, new], value[0, :, new]
            output = F.scaled_dot_product_attention(
                query[:, :, new],
                keys[slot, None, :, :end],
                values[slot, None, :, :end],
                attn_mask=mask[None, :, old:end, :end],
                scale=scale,
                enable_gqa=store.group > 1,
            )
            outputs.append(output.transpose(1, 2))
            start += length
        return torch.cat(outputs, dim=1)

    return attend


def step_attention(store: "Store", slots: Tensor, at: Tensor, positions: Tensor, end: int) -> PackedAttention:
    """Of one new token per beam. A row's beams, and the heads that share keys, read its keys together."""
    mask = store.mask[: store.used, None, :, :end]
    if store.slopes is not None:
        distance = store.places[: store.used, :end] - positions[:, None]
        mask = mask + store.slopes[:, None, None] * distance[:, None, None, :]
    mask = mask.repeat_interleave(store.group, dim=2).to(store.model.dtype)
    rows, width, group = store.used, store.width, store.group

    def attend(module: Any, query: Tensor, key: Tensor, value: Tensor, scale: float, *_: Any) -> Tensor:
        keys, values = store.keys[module.layer_idx], store.values[module.layer_idx]
        keys[slots, :, at], values[slots, :, at] = key[0].transpose(0, 1), value[0].transpose(0, 1)
        kv_heads, size = keys.shape[1], keys.shape[3]
        query = query.view(kv_heads, group, rows, width, size).permute(2, 0, 3, 1, 4)
        query = query.reshape(rows, kv_heads, width * group, size)
        context = F.scaled_dot_product_attention(
            query, keys[:rows, :, :end], values[:rows, :, :end], attn_mask=mask, scale=scale
        )
        context = context.view(rows, kv_heads, width, group, size).transpose(1, 2)
        return context.reshape(1, rows * width, kv_heads * group, size)

    return attend


def tree_attention(store: "Store", tree: Tree, length: int) -> PackedAttention:
    """Of a tree of continuations: each node over the prompt, the nodes before it and itself."""
    nodes = len(tree.tokens)
    mask = torch.full((nodes, nodes), -torch.inf, device=store.device)
    for node, seen in enumerate(tree.ancestors()):
        mask[node, seen] = 0
    mask = torch.cat([mask.new_zeros(nodes, length), mask], dim=1)[None]
    if store.slopes is not None:
        own = torch.tensor(tree.depths, device=store.device) + length
        distance = torch.cat([torch.arange(length, device=store.device), own]) - own[:, None]
        mask = mask + store.slopes[:, None, None] * distance
    mask = mask[None].to(store.model.dtype)

    def attend(module: Any, query: Tensor, key: Tensor, value: Tensor, scale: float, *_: Any) -> Tensor:
        keys = torch.cat([store.keys[module.layer_idx][:1, :, :length], key], dim=2)
        values = torch.cat([store.values[module.layer_idx][:1, :, :length], value], dim=2)
        return F.scaled_dot_product_attention(
            query, keys, values, attn_mask=mask, scale=scale, enable_gqa=store.group > 1
        ).transpose(1, 2)

    return attend
