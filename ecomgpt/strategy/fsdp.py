"""FSDP2: weights, gradients and optimizer states in shards, gathered block by block."""

from typing import Any

from ecomgpt.config.schema import TrainerConfig
from ecomgpt.runtime.machine import on_gpu
from ecomgpt.strategy.precision import precision
from ecomgpt.strategy.registry import backend
from ecomgpt.strategy.single import ModelSizes, SingleDevice, States


class FullySharded(SingleDevice):
    """Each transformer block is one unit, and what is left, the embedding with the tied head, another."""

    whole = False

    def build(self, trainer: TrainerConfig) -> Any:
        """Lightning's FSDP2 strategy, with one shard per process."""
        from ecomgpt.strategy.lightning_fsdp import OffloadedStrategy, ShardedStrategy

        offloads = self.settings.offload_parameters
        kind = OffloadedStrategy if offloads else ShardedStrategy
        return kind(
            data_parallel_size=trainer.devices * trainer.nodes,
            tensor_parallel_size=1,
            save_distributed_checkpoint=True,
            # Gradients that lie in main memory are clipped there, by a norm that is summed over processes.
            process_group_backend="cpu:gloo,cuda:nccl" if offloads and on_gpu(trainer) else backend(trainer),
        )

    def shard(self, module: Any) -> None:
        import torch
        from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy, fully_shard

        from ecomgpt.model.architectures import blocks

        trainer: TrainerConfig = module.config.trainer
        policy = MixedPrecisionPolicy()
        if precision(trainer, module.config.model.hidden_size).startswith("bf16"):
            policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
        offload = OffloadPolicy()
        if self.settings.offload_parameters:
            offload = CPUOffloadPolicy(pin_memory=on_gpu(trainer))
        for part in [*blocks(module.language_model), module.network]:
            fully_shard(part, mesh=module.device_mesh["data_parallel"], mp_policy=policy, offload_policy=offload)

    def full_weights(self, trainer: Any, module: Any) -> dict[str, Any]:
        """Gathers the shards on the first process."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        return get_model_state_dict(module.language_model, options=options)

    def memory(self, alone: States, sizes: ModelSizes) -> States:
        """Shards; and whole, the root unit with its gradient and two blocks, one of them fetched ahead."""
        whole = (sizes.root + 2 * sizes.block) * sizes.compute_bytes
        # gloo copies the root unit's gradients, which are reduced in float32.
        copied = 0 if sizes.gpu else min(sizes.trained, sizes.root) * 4
        shares = (part / sizes.processes for part in (alone.weights, alone.gradients, alone.optimizer))
        weights, gradients, optimizer = shares
        return States(weights + whole, gradients + copied, optimizer)

    def reads(self, origin: dict[str, Any], own: dict[str, Any]) -> bool:
        return not origin or origin.get("kind") == "fsdp"

    def checkpoint(self, processes: int) -> tuple[str, str]:
        return "FSDP's shards, which FSDP alone reads", "strategy=fsdp, with any number of processes"


STRATEGY = FullySharded
