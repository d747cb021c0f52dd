"""FSDP2: weights, gradients and optimiser states in shards, gathered block by block."""

from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy, fully_shard

from ecomgpt.config.schema import Config
from ecomgpt.model.architectures import blocks
from ecomgpt.run.machine import on_gpu
from ecomgpt.strategy.build import backend, precision


class ShardedStrategy(ModelParallelStrategy):
    """Lightning's strategy that also goes on from the checkpoint of one process or of DDP."""

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Whole states are cut to this process's shards.

        Lightning takes the numbers in the optimiser's state for places among the module's weights, but they count through
        the optimiser's groups.
        """
        path = Path(self.broadcast(checkpoint_path))
        if path.is_dir():
            return super().load_checkpoint(path, weights_only)
        checkpoint = torch.load(path, mmap=True, map_location="cpu", weights_only=True)
        whole = StateDictOptions(full_state_dict=True)
        assert self.model is not None
        set_model_state_dict(self.model, checkpoint["state_dict"], options=whole)
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            set_optimizer_state_dict(self.model, optimizer, _named(state, optimizer, self.model), options=whole)
        return checkpoint


def _named(state: dict[str, Any], optimizer: torch.optim.Optimizer, module: torch.nn.Module) -> dict[str, Any]:
    """An optimiser's state with the weights' names in place of their numbers."""
    names = {weight: name for name, weight in module.named_parameters()}
    order = [names[weight] for group in optimizer.param_groups for weight in group["params"]]
    return {
        "state": {order[number]: values for number, values in state["state"].items()},
        "param_groups": [
            {**group, "params": [order[number] for number in group["params"]]} for group in state["param_groups"]
        ],
    }


class OffloadedStrategy(ShardedStrategy):
    """For weights that stay in main memory: FSDP brings each block to the device and back itself."""

    def model_to_device(self) -> None:
        """Leaves the weights where they are."""


def build(config: Config) -> ModelParallelStrategy:
    """Lightning's FSDP2 strategy, with one shard a process."""
    offloads = config.strategy.offload_parameters
    kind = OffloadedStrategy if offloads else ShardedStrategy
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
    policy = (
        MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32) if half else MixedPrecisionPolicy()
    )
    offload = (
        CPUOffloadPolicy(pin_memory=on_gpu(module.config))
        if module.config.strategy.offload_parameters
        else OffloadPolicy()
    )
    for part in blocks(module.language_model):
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
