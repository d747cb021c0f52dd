"""Which models the engine decodes, and what it changes in them while it does."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from transformers import PreTrainedModel

from ecomgpt.model.architectures import accept_packed_rows
from ecomgpt.model.exchange import exchange
from ecomgpt.model.linear import Linear, faster_linears

# Architectures whose layers are: projections, positions by `position_ids` or ALiBi, full causal attention. Others, with
# sliding windows, sinks, soft caps or no attention at all, are decoded by transformers.
_SUPPORTED = ("bloom", "llama", "mistral", "qwen2", "qwen3")
_ROTARY = ("default", "linear", "llama3")


def supports(model: PreTrainedModel) -> bool:
    """True if positions and attention of a model's tokens do not depend on other rows, which the engine relies on."""
    config = model.config
    if config.model_type not in _SUPPORTED or getattr(config, "sliding_window", None):
        return False
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    rotary = getattr(config, "rope_parameters", None) or {}
    return kinds == {"full_attention"} and rotary.get("rope_type", "default") in _ROTARY


@contextmanager
def prepared(model: PreTrainedModel) -> Iterator[None]:
    """Lets a supported model decode packed rows; afterwards it is as it was, whatever training had set."""
    training = model.training
    restore = accept_packed_rows(model)
    linears = faster_linears(model)
    model.eval()
    try:
        yield
    finally:
        restore()
        exchange(linears, Linear, nn.Linear)
        model.train(training)
