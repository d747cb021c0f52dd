"""BLOOM on packed rows, for training and decoding.

In transformers, BLOOM's attention is eager, ignores ``position_ids`` and has no attention interface, so packing would
mix examples. Here its blocks hand queries, keys and values to a `PackedAttention`; weights and all else are the stock
model's.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.models.bloom.modeling_bloom import BloomBlock, BloomModel, _get_alibi_slopes, dropout_add

from ecomgpt.model.attention import PackedAttention
from ecomgpt.model.recompute import recompute_linear


def hidden_states(model: BloomModel, input_ids: Tensor, attention: PackedAttention) -> Tensor:
    """Output of the final norm, shape (1, T, width), for tokens of shape (1, T)."""
    hidden = model.word_embeddings_layernorm(model.word_embeddings(input_ids))
    for block in model.h:
        hidden, _ = block(hidden, packed=attention)
    return model.ln_f(hidden)


def alibi_slopes(model: PreTrainedModel, device: torch.device) -> Tensor | None:
    """ALiBi's slope of each head, shape (heads,), float32; None for models without ALiBi."""
    return _get_alibi_slopes(model.config.n_head, device) if isinstance(model.base_model, BloomModel) else None


class PackedBloomBlock(BloomBlock):
    """`BloomBlock` with its attention computed by ``packed`` where that is given; stock otherwise."""

    def forward(  # type: ignore[override]
        self,
        hidden_states: Tensor,
        alibi: Tensor | None = None,
        attention_mask: Tensor | None = None,
        packed: PackedAttention | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """As `BloomBlock`; with ``packed``, hidden states have shape (1, T, width)."""
        if packed is None:
            return super().forward(hidden_states, alibi, attention_mask, **kwargs)  # type: ignore[arg-type]
        # Gradient checkpointing recomputes the whole block anyway.
        apply = _compose if self.gradient_checkpointing else recompute_linear
        attention, mlp, norm = self.self_attention, self.mlp, self.post_attention_layernorm
        fused = apply(attention.query_key_value, self.input_layernorm, hidden_states)
        rows, tokens, _ = fused.shape
        heads = fused.view(rows, tokens, attention.num_heads, 3, attention.head_dim).unbind(3)
        query, key, value = (part.transpose(1, 2) for part in heads)
        dropout = attention.attention_dropout.p if self.training else 0.0
        context = packed(attention, query, key, value, attention.inv_norm_factor, dropout).flatten(2)
        after_norm = self.apply_residual_connection_post_layernorm
        residual = self.input_layernorm(hidden_states) if after_norm else hidden_states
        middle = dropout_add(attention.dense(context), residual, self.hidden_dropout, self.training)
        inner = apply(mlp.dense_h_to_4h, norm, middle)
        residual = norm(middle) if after_norm else middle
        return dropout_add(apply(mlp.dense_4h_to_h, gelu, inner), residual, mlp.hidden_dropout, self.training), None


def gelu(x: Tensor) -> Tensor:
    """BLOOM's GELU (the tanh form), in one pass over memory instead of the stock module's seven."""
    return F.gelu(x, approximate="tanh")


def _compose(linear: nn.Module, function: Any, source: Tensor) -> Tensor:
    return linear(function(source))
