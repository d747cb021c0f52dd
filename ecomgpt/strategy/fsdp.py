"""FSDP2: weights, gradients and optimiser states in shards, gathered block by block."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy, fully_shard

from ecomgpt.config.schema import Config
from ecomgpt.strategy.build import backend, on_gpu, precision


class OffloadedStrategy(ModelParallelStrategy):
    """Lightning's strategy for weights that stay in main memory: FSDP brings each block to the device and back itself."""

    def model_to_device(self) -> None:
        """Leaves the weights where they are."""


def build(config: Config) -> ModelParallelStrategy:
    """Lightning's FSDP2 strategy, with one shard a process."""
    offloads = config.strategy.offload_parameters
    kind = OffloadedStrategy if offloads else ModelParallelStrategy
    return kind(
        data_parallel_size=config.trainer.devices * config.trainer.nodes,
        tensor_parallel_size=1,
        save_distributed_checkpoint=True,
        # Gradients that lie in main memory are clipped there, by a norm that is summed over processes.
        process_group_backend="cpu:gloo,cuda:nccl" if offloads and on_gpu(config) else backend(config),
    )


def shard(module: Any) -> None:
    """Shards each block, then the root, which keeps the embedding and the head that is tied to it in one unit."""
    mesh = module.device_mesh["data_parallel"]
    half = precision(module.config).startswith("bf16")
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32) if half else MixedPrecisionPolicy()
    offload = CPUOffloadPolicy(pin_memory=on_gpu(module.config)) if module.config.strategy.offload_parameters else OffloadPolicy()
    wanted = getattr(module.language_model, "_no_split_modules", None) or []
    for part in list(module.network.modules()):
        if type(part).__name__ in wanted:
            fully_shard(part, mesh=mesh, mp_policy=policy, offload_policy=offload)
    fully_shard(module.network, mesh=mesh, mp_policy=policy, offload_policy=offload)


def skip_step(trainer: L.Trainer, module: Any) -> None:
    """PyTorch's optimisers pass over weights without gradients, so neither weights nor states change."""
    for weight in module.parameters():
        weight.grad = None


def full_weights(trainer: L.Trainer, module: Any) -> dict:
    """Gathers the shards on the first process."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return get_model_state_dict(module.language_model, options=options)
