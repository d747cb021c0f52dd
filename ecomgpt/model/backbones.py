"""How a stock transformers model takes a `Layout`; weights, names of the state dict and generation stay as they are.

- BLOOM: its attention in transformers is eager and ignores ``position_ids``, so packing would mix examples. The classes of
  its blocks, its loop over them and its activation are exchanged for subclasses.
- Models with transformers' attention interface (Llama and most others): one registered attention function.
- Anything else is refused: packing it would be inexact without a sign.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.bloom.modeling_bloom import (
    BloomAttention,
    BloomBlock,
    BloomGelu,
    BloomModel,
    _get_alibi_slopes,
    dropout_add,
)

from ecomgpt.common.errors import UserError
from ecomgpt.model.attention import Layout, attend, choose_kernel, make_layout
from ecomgpt.model.recompute import through

INTERFACE = "ecomgpt_packed"


class PackedBloomBlock(BloomBlock):
    """`BloomBlock` that computes packed rows where the mask is a `Layout`, and is stock otherwise."""

    def forward(self, hidden_states, alibi=None, attention_mask=None, **kwargs):  # type: ignore[override]
        if not isinstance(attention_mask, Layout):
            return super().forward(hidden_states, alibi, attention_mask, **kwargs)
        # With gradient checkpointing the whole block is made again anyway.
        apply = _straight if self.gradient_checkpointing else through
        attention, mlp, norm = self.self_attention, self.mlp, self.post_attention_layernorm
        fused = apply(attention.query_key_value, self.input_layernorm, hidden_states)
        context = _attention(attention, fused, attention_mask)
        residual = (
            self.input_layernorm(hidden_states) if self.apply_residual_connection_post_layernorm else hidden_states
        )
        middle = dropout_add(attention.dense(context), residual, self.hidden_dropout, self.training)
        inner = apply(mlp.dense_h_to_4h, norm, middle)
        residual = norm(middle) if self.apply_residual_connection_post_layernorm else middle
        return dropout_add(
            apply(mlp.dense_4h_to_h, mlp.gelu_impl, inner), residual, mlp.hidden_dropout, self.training
        ), None


def _straight(linear: nn.Module, cheap: nn.Module, source: torch.Tensor) -> torch.Tensor:
    return linear(cheap(source))


def _attention(attention: BloomAttention, fused: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Context of each token, shape (1, T, width), from its query, key and value, shape (1, T, 3 x width), head by head."""
    rows, tokens, _ = fused.shape
    parts = fused.view(rows, tokens, attention.num_heads, 3, attention.head_dim).unbind(3)
    query, key, value = (part.transpose(1, 2) for part in parts)
    dropout = attention.attention_dropout.p if attention.training else 0.0
    return attend(query, key, value, layout, attention.inv_norm_factor, dropout).flatten(2)


class PackedBloomModel(BloomModel):
    """`BloomModel` that hands a `Layout` to its blocks, and is stock without one."""

    def forward(self, input_ids=None, layout: Layout | None = None, **kwargs):
        if layout is None:
            return super().forward(input_ids, **kwargs)
        hidden = self.word_embeddings_layernorm(self.word_embeddings(input_ids))
        for block in self.h:
            hidden = block(hidden, alibi=None, attention_mask=layout)[0]
        return BaseModelOutput(last_hidden_state=self.ln_f(hidden))


class FusedBloomGelu(BloomGelu):
    """The same function (GELU's tanh form), in one pass over memory instead of seven."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.gelu(x, approximate="tanh")


PACKED = {BloomBlock: PackedBloomBlock, BloomModel: PackedBloomModel, BloomGelu: FusedBloomGelu}


def interface_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    layout: Layout | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Transformers' attention interface: packed with a `Layout`, stock `sdpa` without (generation)."""
    if layout is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    window = kwargs.get("sliding_window")
    if kwargs.get("softcap") or kwargs.get("s_aux") is not None or (window and max(layout.lengths) > window):
        kind = type(module).__name__
        raise UserError(
            f"model.path: {kind} uses a sliding window, soft caps or sinks, which packed training doesn't compute"
        )
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # Under autocast rotary positions leave queries and keys in float32, values in the lower format; attention takes one.
    return attend(query.to(value.dtype), key.to(value.dtype), value, layout, scale, dropout), None


class ExactBuffers(nn.Module):
    """Float32 buffers stay float32 when a model is converted to 16 bit.

    Rotary frequencies rounded to bfloat16 are off by up to a 256th, so after some hundred tokens positions are wrong; a model that is
    loaded in bfloat16 keeps them exact, and would not find the positions that it was trained with.
    """

    def _apply(self, fn, recurse=True):
        exact = {
            name: buffer
            for name, buffer in self._buffers.items()
            if buffer is not None and buffer.dtype == torch.float32
        }
        super()._apply(fn, recurse)
        for name, before in exact.items():
            now = self._buffers[name]
            if now is not None and now.dtype != before.dtype:
                self._buffers[name] = before.to(now.device)
        return self


def blocks(model: PreTrainedModel) -> list[nn.Module]:
    """The blocks of a model, which are compiled and sharded one by one; transformers names their classes, ours derive from them."""
    wanted = set(getattr(model, "_no_split_modules", None) or ())
    return [part for part in model.modules() if wanted & {kind.__name__ for kind in type(part).__mro__}]


def _refusal(model: PreTrainedModel) -> str | None:
    """Why packing would mix examples, if it would."""
    if not getattr(model, "_supports_attention_backend", False):
        return "has no attention interface in transformers"
    layers = set(getattr(model.config, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
    if layers:
        return f"has layers that are no plain attention ({', '.join(sorted(layers))})"
    return None


class PackedBackbone:
    """Runs a stock model's blocks on packed rows.

    Args:
        model: The language model; its classes or its attention function are exchanged here.
        attention: ``model.attention``: auto, sdpa or flex.

    Raises:
        UserError: If the model can't be packed exactly.
    """

    def __init__(self, model: PreTrainedModel, attention: str = "auto") -> None:
        self.attention = attention
        self.heads = model.config.n_head if isinstance(model.base_model, BloomModel) else None
        if self.heads is not None:
            for module in model.modules():
                if type(module) in PACKED:
                    module.__class__ = PACKED[type(module)]
            return
        reason = _refusal(model)
        if reason:
            raise UserError(f"model.path: {type(model).__name__} {reason}, so packing would mix examples")
        AttentionInterface.register(INTERFACE, interface_attention)
        AttentionMaskInterface.register(INTERFACE, sdpa_mask)
        model.set_attn_implementation(INTERFACE)
        for part in model.modules():
            if "inv_freq" in part._buffers:
                part.__class__ = type(type(part).__name__, (ExactBuffers, type(part)), {})

    def __call__(
        self, model: PreTrainedModel, input_ids: torch.Tensor, positions: torch.Tensor, lengths: list[int]
    ) -> torch.Tensor:
        """Hidden states after the last block, shape (1, T, width); arguments as in `ecomgpt.model.network.Network.forward`."""
        device = input_ids.device
        kernel = choose_kernel(device, self.attention)
        if self.heads is not None:
            layout = make_layout(lengths, device, _get_alibi_slopes(self.heads, device), kernel)
            return model.base_model(input_ids=input_ids, layout=layout).last_hidden_state
        # A mask of four dimensions is taken as it is, so that transformers makes none of its own; `attend` needs none.
        unused = torch.empty(1, 1, 1, 1, dtype=torch.bool, device=device)
        return model.base_model(
            input_ids=input_ids,
            position_ids=positions,
            attention_mask=unused,
            use_cache=False,
            layout=make_layout(lengths, device, None, kernel),
        ).last_hidden_state
