"""Leads a model's attention to a function of ours, and puts the model back as it was afterwards.

All tokens that are read at once, of however many rows, stand in one row without padding: everything but attention treats
each token alone. Attention gets queries, keys and values of these new tokens and finds the older ones itself.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.models.bloom.modeling_bloom import BloomAttention, BloomGelu, BloomModel

from ecomgpt.model.linear import faster_linears

Attend: TypeAlias = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor, float], torch.Tensor]
"""(layer, queries (1, heads, N, size), keys and values (1, kv_heads, N, size), scale) to (1, N, heads, size)."""

NAME = "ecomgpt_decoding"
_ATTEND: ContextVar[Attend] = ContextVar("attend")

# Architectures whose layers are: projections, positions by `position_ids` or ALiBi, full causal attention. Others, with
# sliding windows, sinks, soft caps or no attention at all, are decoded by transformers.
_KNOWN = ("bloom", "llama", "mistral", "qwen2", "qwen3")
_ROTARY = ("default", "linear", "llama3")


def known(model: PreTrainedModel) -> bool:
    """Whether the engine decodes this model; its positions and its attention must not depend on other rows."""
    config = model.config
    if config.model_type not in _KNOWN or getattr(config, "sliding_window", None):
        return False
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    rotary = getattr(config, "rope_parameters", None) or {}
    return kinds == {"full_attention"} and rotary.get("rope_type", "default") in _ROTARY


@contextmanager
def attending(attend: Attend) -> Iterator[None]:
    """While it lasts, attention is computed by this function."""
    token = _ATTEND.set(attend)
    try:
        yield
    finally:
        _ATTEND.reset(token)


@contextmanager
def prepared(model: PreTrainedModel) -> Iterator[None]:
    """Exchanges the attention of a model, which must be `known`, and drops nothing of what training had set."""
    training = model.training
    classes: list[tuple[nn.Module, type[nn.Module]]] = [
        (module, type(module)) for module in model.modules() if isinstance(module, tuple(_BLOOM))
    ]
    linears = faster_linears(model)
    implementation = model.config._attn_implementation
    model.eval()
    for module, _ in classes:
        module.__class__ = next(ours for theirs, ours in _BLOOM.items() if isinstance(module, theirs))
    if not classes:
        model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        for module, theirs in classes:
            module.__class__ = theirs
        for linear in linears:
            linear.__class__ = nn.Linear
        if not classes:
            model.set_attn_implementation(implementation)
        model.train(training)


def _attend(
    module: nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: None, scaling: float, **_: Any
) -> tuple[torch.Tensor, None]:
    return _ATTEND.get()(int(module.layer_idx), query, key, value, scaling), None  # type: ignore[arg-type]


AttentionInterface.register(NAME, _attend)


class _Attention(BloomAttention):
    """BLOOM's attention is not behind the interface; projections and residual stay as they are."""

    def forward(self, hidden_states, residual, alibi, attention_mask, layer_past=None, **kwargs):  # type: ignore[override]
        query, key, value = self._reshape(self.query_key_value(hidden_states))
        context = _ATTEND.get()(int(self.layer_idx or 0), query, key, value, self.inv_norm_factor)
        return self.dense(context.flatten(2)) + residual, None


class _Model(BloomModel):
    """A mask of four dimensions is passed on untouched, so that neither a mask nor ALiBi over all tokens is built."""

    def build_alibi_tensor(self, attention_mask, num_heads, dtype):
        return None

    def forward(self, input_ids=None, **kwargs):
        kwargs["attention_mask"] = torch.zeros(1, 1, 1, 1, device=input_ids.device)
        return super().forward(input_ids, **kwargs)


class _Gelu(BloomGelu):
    """The same function in one pass over the activations instead of eight."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.gelu(x, approximate="tanh")


_BLOOM: dict[type[nn.Module], type[nn.Module]] = {BloomAttention: _Attention, BloomModel: _Model, BloomGelu: _Gelu}
