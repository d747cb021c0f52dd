"""Attention over packed rows: every example sees itself alone, in one fused call.

BLOOM in transformers computes attention eagerly and ignores ``position_ids``, so packing would mix examples. Here the
stock attention module's class is exchanged for a subclass whose packed path calls `scaled_dot_product_attention` with a
bias that holds ALiBi, causality and the examples' borders. Weights, names and generation stay as they are.
"""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedModel
from transformers.models.bloom.modeling_bloom import BloomAttention, BloomModel, _get_alibi_slopes, dropout_add


class PackedBloomAttention(BloomAttention):
    """`BloomAttention` that takes a full bias (R, heads, T, T) in place of ALiBi and mask."""

    def forward(self, hidden_states, residual, alibi, attention_mask, layer_past=None, **kwargs):  # type: ignore[override]
        if alibi is not None:
            return super().forward(hidden_states, residual, alibi, attention_mask, layer_past=layer_past, **kwargs)
        query, key, value = self._reshape(self.query_key_value(hidden_states))
        dropout = self.attention_dropout.p if self.training else 0.0
        context = F.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask, dropout_p=dropout)
        rows, heads, tokens, size = context.shape
        output = self.dense(context.transpose(1, 2).reshape(rows, tokens, heads * size))
        return dropout_add(output, residual, self.hidden_dropout, self.training), None


class PackedBloomModel(BloomModel):
    """`BloomModel` that leaves ALiBi out where the mask is already the full bias."""

    def build_alibi_tensor(self, attention_mask, num_heads, dtype):
        if attention_mask.ndim == 4:
            return None
        return super().build_alibi_tensor(attention_mask, num_heads, dtype)


def use_packed_attention(model: PreTrainedModel) -> None:
    """Prepares a model for packed rows; its weights and state-dict names stay as they are."""
    for module in model.modules():
        if type(module) is BloomAttention:
            module.__class__ = PackedBloomAttention
        elif type(module) is BloomModel:
            module.__class__ = PackedBloomModel


def uses_alibi(model: nn.Module) -> bool:
    """Whether the model's positions are ALiBi biases."""
    return any(isinstance(module, BloomModel) for module in model.modules())


def packed_mask(segments: torch.Tensor) -> torch.Tensor:
    """Which key each query may see: earlier ones of its own example, and itself.

    Args:
        segments: Number of each token's example, -1 for padding, shape (R, T).

    Returns:
        Booleans of shape (R, 1, T, T). Padding tokens see each other, because a softmax over nothing would be NaN.
    """
    tokens = segments.shape[1]
    causal = torch.ones(tokens, tokens, dtype=torch.bool, device=segments.device).tril()
    return (segments[:, None, :, None] == segments[:, None, None, :]) & causal


def alibi_bias(mask: torch.Tensor, heads: int, dtype: torch.dtype) -> torch.Tensor:
    """ALiBi (Press et al., 2022) with the mask folded in.

    The bias is ``slope * (key - query)``. Softmax ignores a constant per query, so this equals BLOOM's ``slope * key``,
    but its small values stand near the diagonal: in bfloat16 near keys stay exact, where absolute positions collapse.

    Args:
        mask: From `packed_mask`, shape (R, 1, T, T).
        heads: Number of attention heads.
        dtype: Number format of the queries.

    Returns:
        Shape (R, heads, T, T); the lowest number of ``dtype`` where a key is hidden.
    """
    place = torch.arange(mask.shape[-1], device=mask.device, dtype=torch.float32)
    distance = place[None, :] - place[:, None]
    slopes = _get_alibi_slopes(heads, mask.device)
    bias = (slopes[:, None, None] * distance).to(dtype)
    return torch.where(mask, bias, torch.finfo(dtype).min)
