"""One device."""

from typing import Any

import lightning as L

from ecomgpt.config.schema import Config


def build(config: Config) -> str:
    """Lightning's own choice for one device."""
    return "auto"


def shard(module: Any) -> None:
    """Nothing to share out."""


def skip_step(trainer: L.Trainer, module: Any) -> None:
    """PyTorch's optimisers pass over weights without gradients, so neither weights nor states change."""
    for weight in module.parameters():
        weight.grad = None


def full_weights(trainer: L.Trainer, module: Any) -> dict:
    """The weights as they are."""
    return module.language_model.state_dict()
