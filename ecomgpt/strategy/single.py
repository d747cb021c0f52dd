"""One device."""

from typing import Any

import lightning as L

from ecomgpt.config.schema import Config


def build(config: Config) -> str:
    """Lightning's own choice for one device."""
    return "auto"


def shard(module: Any) -> None:
    """Nothing to share out."""


def full_weights(trainer: L.Trainer, module: Any) -> dict:
    """The weights as they are."""
    return module.language_model.state_dict()
