"""From ``strategy.kind`` to the file that implements it."""

import importlib
from typing import TYPE_CHECKING

from ecomgpt.config.schema import StrategyConfig, TrainerConfig
from ecomgpt.runtime.machine import on_gpu
from ecomgpt.strategy.single import SingleDevice

if TYPE_CHECKING:
    from lightning.fabric.plugins.environments import ClusterEnvironment


def strategy_of(settings: StrategyConfig) -> SingleDevice:
    """The strategy in ``ecomgpt/strategy/<kind>.py``, imported only now: Lightning is heavy."""
    return importlib.import_module(f"ecomgpt.strategy.{settings.kind}").STRATEGY(settings)


def backend(trainer: TrainerConfig) -> str:
    """The communication library: ``nccl`` or ``gloo``."""
    return "nccl" if on_gpu(trainer) else "gloo"


def cluster_environment(settings: StrategyConfig) -> "ClusterEnvironment":
    """Where Lightning learns a process's rank: from the group that started it, never from the cluster's own variables.

    Inside a SLURM job Lightning would take the tasks of the job for its processes, and refuse to train or wait for
    them.
    """
    from lightning.fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment

    return LightningEnvironment() if settings.kind == "single" else TorchElasticEnvironment()
