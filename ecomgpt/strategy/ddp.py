"""A full copy of the model on every device; gradients are averaged."""

import dataclasses
from typing import Any

from ecomgpt.config.schema import TrainerConfig
from ecomgpt.strategy.registry import backend
from ecomgpt.strategy.single import ModelSizes, SingleDevice, States


class DataParallel(SingleDevice):
    """Every process has the same graph in every micro-batch, so DDP need not search for unused weights."""

    def build(self, trainer: TrainerConfig) -> Any:
        from lightning.pytorch.strategies import DDPStrategy

        return DDPStrategy(process_group_backend=backend(trainer))

    def memory(self, alone: States, sizes: ModelSizes) -> States:
        """The buckets in which gradients are exchanged hold a copy of each."""
        return dataclasses.replace(alone, gradients=2 * alone.gradients)


STRATEGY = DataParallel
