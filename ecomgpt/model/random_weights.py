"""Models of a configured shape with random weights, for measurements: nothing is loaded."""

from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, BloomConfig, BloomForCausalLM, PreTrainedModel

from ecomgpt.config.schema import ModelConfig
from ecomgpt.model.locate import locate


def random_model(model: ModelConfig, models: str) -> PreTrainedModel:
    """A model of the configured shape with random weights in float32.

    Args:
        model: Its shape, or the name of weights beside which the shape lies.
        models: The folder that is searched for weights (``paths.models``).
    """
    if model.family == "bloom":
        shape: dict[str, Any] = {
            "hidden_size": model.hidden_size,
            "n_layer": model.layers,
            "n_head": model.heads,
            "vocab_size": model.vocabulary,
        }
        return BloomForCausalLM(BloomConfig(**shape, hidden_dropout=0.0, attention_dropout=0.0))
    path = locate(model, models).path or model.path or ""
    config = AutoConfig.from_pretrained(path, gguf_file=model.gguf_file, trust_remote_code=False)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)  # as training loads it, whatever the file says


def filled_model(model: ModelConfig, models: str) -> PreTrainedModel:
    """`random_model` with weights like those of a trained one, at no more peak memory than loading takes.

    Transformers would allocate the tied head first and then free it, which the process's heap never returns.
    """
    if model.family != "bloom":
        return random_model(model, models)
    with torch.device("meta"):
        made = random_model(model, models)
        made.tie_weights()
    materialise(made, torch.float32)
    with torch.no_grad():
        for weight in made.parameters():
            weight.normal_(0.0, 0.02) if weight.ndim > 1 else weight.fill_(1.0)
    return made


def materialise(model: nn.Module, dtype: torch.dtype) -> None:
    """Allocates the weights and buffers of a ``meta`` model, uninitialised (fake in a fake mode); ties are kept."""
    made: dict[int, torch.Tensor] = {}
    for module in model.modules():
        stores: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
        for store in stores:
            for name, old in store.items():
                if old is None:
                    continue
                if id(old) not in made:
                    new = torch.empty(old.shape, dtype=dtype if old.is_floating_point() else old.dtype)
                    is_weight = isinstance(old, nn.Parameter)
                    made[id(old)] = nn.Parameter(new, requires_grad=old.requires_grad) if is_weight else new
                store[name] = made[id(old)]
