"""Attention over stored keys and values: of prompts, of one new token per beam, and of a tree of continuations.

All tokens that are read at once, of however many rows, form one row without padding: everything but attention treats
each token alone. Attention gets queries, keys and values of these new tokens and finds the older ones in the `Store`.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from ecomgpt.eval.decoding.tree import Tree

if TYPE_CHECKING:
    from ecomgpt.eval.decoding.store import Store


class StoredAttention(ABC):
    """A `ecomgpt.model.attention.PackedAttention` that also sees keys and values in a store."""

    def __call__(
        self,
        module: nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
        dropout: float = 0.0,
    ) -> torch.Tensor:
        """See `PackedAttention`; nothing is dropped."""
        return self.attend(int(module.layer_idx), query, key, value, scale)  # type: ignore[arg-type]

    @abstractmethod
    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Attention of the layer of this number."""


class PromptAttention(StoredAttention):
    """Attention of prompts, each over the shared prefix and itself."""

    def __init__(self, store: "Store", lengths: list[int], slots: list[int]) -> None:
        self.store, self.slots, self.lengths = store, slots, lengths
        self.mask = store.triangle(store.shared + max(lengths), store.model.dtype)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        start, outputs, old = 0, [], self.store.shared
        keys, values = self.store.keys[layer], self.store.values[layer]
        for slot, length in zip(self.slots, self.lengths, strict=True):
            new, end = slice(start, start + length), old + length
            keys[slot, :, old:end], values[slot, :, old:end] = key[0, :, new], value[0, :, new]
            outputs.append(
                F.scaled_dot_product_attention(
                    query[:, :, new],
                    keys[slot, None, :, :end],
                    values[slot, None, :, :end],
                    attn_mask=self.mask[None, :, old:end, :end],
                    scale=scale,
                    enable_gqa=self.store.group > 1,
                ).transpose(1, 2)
            )
            start += length
        return torch.cat(outputs, dim=1)


class StepAttention(StoredAttention):
    """Attention of one new token per beam. A row's beams, and the heads that share keys, read its keys together."""

    def __init__(
        self, store: "Store", slots: torch.Tensor, at: torch.Tensor, positions: torch.Tensor, end: int
    ) -> None:
        self.store, self.slots, self.at, self.end = store, slots, at, end
        mask = store.mask[: store.used, None, :, :end]
        if store.slopes is not None:
            distance = store.places[: store.used, :end] - positions[:, None]
            mask = mask + store.slopes[:, None, None] * distance[:, None, None, :]
        self.mask = mask.repeat_interleave(store.group, dim=2).to(store.model.dtype)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        store = self.store
        keys, values = store.keys[layer], store.values[layer]
        keys[self.slots, :, self.at], values[self.slots, :, self.at] = key[0].transpose(0, 1), value[0].transpose(0, 1)
        rows, width, group = store.used, store.width, store.group
        kv_heads, size = keys.shape[1], keys.shape[3]
        query = query.view(kv_heads, group, rows, width, size).permute(2, 0, 3, 1, 4)
        context = F.scaled_dot_product_attention(
            query.reshape(rows, kv_heads, width * group, size),
            keys[:rows, :, : self.end],
            values[:rows, :, : self.end],
            attn_mask=self.mask,
            scale=scale,
        )
        context = context.view(rows, kv_heads, width, group, size).transpose(1, 2)
        return context.reshape(1, rows * width, kv_heads * group, size)


class TreeAttention(StoredAttention):
    """Attention of a tree of continuations: each node over the prompt, the nodes before it and itself."""

    def __init__(self, store: "Store", tree: Tree, length: int) -> None:
        self.store, self.length = store, length
        nodes = len(tree.tokens)
        mask = torch.full((nodes, nodes), -torch.inf, device=store.device)
        for node, seen in enumerate(tree.ancestors()):
            mask[node, seen] = 0
        mask = torch.cat([mask.new_zeros(nodes, length), mask], dim=1)[None]
        if store.slopes is not None:
            own = torch.tensor(tree.depths, device=store.device) + length
            distance = torch.cat([torch.arange(length, device=store.device), own]) - own[:, None]
            mask = mask + store.slopes[:, None, None] * distance
        self.mask = mask[None].to(store.model.dtype)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        store = self.store
        keys, values = (
            torch.cat([part[layer][:1, :, : self.length], new], dim=2)
            for part, new in ((store.keys, key), (store.values, value))
        )
        return F.scaled_dot_product_attention(
            query, keys, values, attn_mask=self.mask, scale=scale, enable_gqa=store.group > 1
        ).transpose(1, 2)
