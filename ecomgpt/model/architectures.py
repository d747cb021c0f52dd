"""How stock transformers models compute packed rows; weights, their names and generation stay as they are.

- BLOOM: blocks of `ecomgpt.model.bloom`.
- Models with transformers' attention interface (Llama and most others): one registered attention function.
- Anything else is refused: packing it would be inexact without a sign.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.models.bloom.modeling_bloom import BloomBlock, BloomModel

from ecomgpt.common.errors import UserError
from ecomgpt.model import bloom
from ecomgpt.model.attention import Layout, PackedAttention
from ecomgpt.model.exchange import exchange

INTERFACE = "ecomgpt_packed"


def accept_packed_rows(model: PreTrainedModel) -> Callable[[], Any]:
    """Lets a model compute packed rows.

    Returns:
        A function that undoes it.

    Raises:
        UserError: If packing would mix examples.
    """
    if isinstance(model.base_model, BloomModel):
        found = exchange(model.modules(), BloomBlock, bloom.PackedBloomBlock)
        return partial(exchange, found, bloom.PackedBloomBlock, BloomBlock)
    if reason := _refusal(model):
        raise UserError(f"model.path: {type(model).__name__} {reason}, so packing would mix examples")
    before = model.config._attn_implementation
    model.set_attn_implementation(INTERFACE)
    return partial(model.set_attn_implementation, before)


def hidden_states(model: PreTrainedModel, input_ids: Tensor, positions: Tensor, attention: PackedAttention) -> Tensor:
    """Hidden states after the last block and norm of a model that accepts packed rows.

    Args:
        model: The language model.
        input_ids: All examples' tokens one after another, shape (1, T), int64.
        positions: Each token's position in its example, shape (1, T).
        attention: Computes attention within each example.

    Returns:
        Shape (1, T, width).
    """
    if isinstance(model.base_model, BloomModel):
        return bloom.hidden_states(model.base_model, input_ids, attention)
    # A mask of four dimensions is taken as it is, so that transformers makes none of its own; ours is never read.
    unused = torch.empty(1, 1, 1, 1, dtype=torch.bool, device=input_ids.device)
    return model.base_model(
        input_ids=input_ids, position_ids=positions, attention_mask=unused, use_cache=False, packed=attention
    ).last_hidden_state


def blocks(model: PreTrainedModel) -> list[nn.Module]:
    """A model's blocks, to compile and shard one by one: instances of the classes that transformers names."""
    wanted = set(getattr(model, "_no_split_modules", None) or ())
    return [part for part in model.modules() if wanted & {kind.__name__ for kind in type(part).__mro__}]


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any,
    packed: PackedAttention | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Transformers' attention interface: by ``packed`` where it is given, otherwise stock ``sdpa`` (generation)."""
    if packed is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    window = kwargs.get("sliding_window")
    cut = window and isinstance(packed, Layout) and max(packed.lengths) > window
    if cut or kwargs.get("softcap") or kwargs.get("s_aux") is not None:
        raise UserError(
            f"model.path: {type(module).__name__} uses a sliding window, soft caps or sinks, "
            "which packed training doesn't compute"
        )
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # Under autocast rotary positions leave queries and keys in float32, values in the lower format; attention takes
    # one.
    return packed(module, query.to(value.dtype), key.to(value.dtype), value, scale, dropout), None


AttentionInterface.register(INTERFACE, _attention)
AttentionMaskInterface.register(INTERFACE, sdpa_mask)


def _refusal(model: PreTrainedModel) -> str | None:
    """Why packing would mix examples; None if it would not."""
    if not getattr(model, "_supports_attention_backend", False):
        return "has no attention interface in transformers"
    layers = set(getattr(model.config, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
    return f"has layers that are no plain attention ({', '.join(sorted(layers))})" if layers else None
