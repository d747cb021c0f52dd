"""FSDP2: weights, gradients and optimiser states in shards, gathered block by block."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from ecomgpt.config.schema import Config
from ecomgpt.strategy.build import backend, precision


def build(config: Config) -> ModelParallelStrategy:
    """Lightning's FSDP2 strategy, with one shard a process."""
    return ModelParallelStrategy(
        data_parallel_size=config.trainer.devices * config.trainer.nodes,
        tensor_parallel_size=1,
        save_distributed_checkpoint=True,
        process_group_backend=backend(config),
    )


def shard(module: Any) -> None:
    """Shards each block, then the root, which keeps the embedding and the head that is tied to it in one unit."""
    mesh = module.device_mesh["data_parallel"]
    half = precision(module.config).startswith("bf16")
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32) if half else MixedPrecisionPolicy()
    wanted = getattr(module.language_model, "_no_split_modules", None) or []
    for part in list(module.network.modules()):
        if type(part).__name__ in wanted:
            fully_shard(part, mesh=mesh, mp_policy=policy)
    fully_shard(module.network, mesh=mesh, mp_policy=policy)


def skip_step(trainer: L.Trainer, module: Any) -> None:
    """PyTorch's optimisers pass over weights without gradients, so neither weights nor states change."""
    for weight in module.parameters():
        weight.grad = None


def full_weights(trainer: L.Trainer, module: Any) -> dict:
    """Gathers the shards on the first process."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return get_model_state_dict(module.language_model, options=options)
