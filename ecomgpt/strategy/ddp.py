"""A full copy of the model on every device; gradients are averaged."""

from typing import Any

import lightning as L
from lightning.pytorch.strategies import DDPStrategy

from ecomgpt.config.schema import Config
from ecomgpt.strategy.build import backend


def build(config: Config) -> DDPStrategy:
    """Lightning's DDP. Every process has the same graph in every micro-batch, so nothing needs to be searched for."""
    return DDPStrategy(process_group_backend=backend(config))


def shard(module: Any) -> None:
    """Nothing to share out."""


def skip_step(trainer: L.Trainer, module: Any) -> None:
    """PyTorch's optimisers pass over weights without gradients, so neither weights nor states change."""
    for weight in module.parameters():
        weight.grad = None


def full_weights(trainer: L.Trainer, module: Any) -> dict:
    """Every process holds all weights."""
    return module.language_model.state_dict()
