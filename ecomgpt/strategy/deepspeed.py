"""DeepSpeed ZeRO, on GPUs, and on CPUs (gloo) so that a cluster run can be rehearsed."""

from typing import Any

from ecomgpt.config.schema import TrainerConfig
from ecomgpt.runtime.machine import on_gpu
from ecomgpt.strategy.registry import backend
from ecomgpt.strategy.single import ModelSizes, SingleDevice, States

BUCKET = 500e6
"""Elements that DeepSpeed reduces at once (its ``reduce_bucket_size``); one buffer of that size is kept."""
LIVE = 1e9
"""Parameters that ZeRO-3 may leave gathered between forward and backward pass (``stage3_max_live_parameters``)."""


class Zero(SingleDevice):
    """ZeRO: stage 1 shards the optimizer's states, 2 the gradients as well, 3 the weights as well."""

    whole = False
    own_masters = True

    def build(self, trainer: TrainerConfig) -> Any:
        """Lightning's DeepSpeed strategy with the configured stage."""
        from ecomgpt.strategy.lightning_deepspeed import CPUDeepSpeedStrategy, ExactDeepSpeedStrategy

        zero: dict[str, Any] = {"stage": self.settings.stage}
        if self.settings.offload_optimizer:
            zero["offload_optimizer"] = {"device": "cpu"}
        if self.settings.offload_parameters:
            zero["offload_param"] = {"device": "cpu"}
        gpu = on_gpu(trainer)
        settings = {
            "zero_optimization": zero,
            "zero_allow_untested_optimizer": True,
            "train_micro_batch_size_per_gpu": trainer.micro_rows or 1,
            # A rehearsal offloads with PyTorch's AdamW: DeepSpeed's own is compiled at first use, for over a minute.
            "zero_force_ds_cpu_optimizer": gpu,
        }
        kind = ExactDeepSpeedStrategy if gpu else CPUDeepSpeedStrategy
        return kind(config=settings, process_group_backend=backend(trainer))

    def skip_step(self, trainer: Any, module: Any) -> None:
        """Takes DeepSpeed's own way out for gradients that overflow, which clears the buffers of every stage."""
        optimizer = trainer.model.optimizer

        def overflowed(found: bool = False) -> None:
            optimizer.overflow = True
            del optimizer._update_scale  # The class's own method again: this step alone is left out.

        optimizer._update_scale = overflowed

    def full_weights(self, trainer: Any, module: Any) -> dict[str, Any]:
        """Gathers stage 3's shards; with stages 1 and 2 every process holds all weights."""
        if self.settings.stage < 3:
            return super().full_weights(trainer, module)
        import deepspeed

        weights = list(module.language_model.parameters())
        with deepspeed.zero.GatheredParameters(weights, modifier_rank=None):
            return {name: value.detach().cpu().clone() for name, value in module.language_model.state_dict().items()}

    def memory(self, alone: States, sizes: ModelSizes) -> States:
        stage, size = self.settings.stage, sizes.weight_bytes
        weights, host, optimizer = alone.weights, 0.0, alone.optimizer / sizes.processes
        gradients = alone.gradients / sizes.processes if stage >= 2 else alone.gradients
        gradients += min(BUCKET * size, alone.gradients)
        if stage == 3:
            weights = weights / sizes.processes + min(LIVE, sizes.total) * size
            if not sizes.gpu:
                gradients += min(BUCKET, sizes.trained) * size  # gloo scatters a copy of the bucket.
        if self.settings.offload_optimizer:
            host, optimizer = optimizer * sizes.devices, 0.0
        if self.settings.offload_parameters:
            shard = sizes.total * size / sizes.processes
            host, weights = host + shard * sizes.devices, weights - shard
        return States(weights, gradients, optimizer, host)

    def reads(self, origin: dict[str, Any], own: dict[str, Any]) -> bool:
        """Shards fit the stage, the offloading and the number of processes that wrote them."""
        return bool(origin) and all(origin.get(name) == value for name, value in own.items())

    def checkpoint(self, processes: int) -> tuple[str, str]:
        name = self.settings.name
        holds = f"the shards of strategy={name} with {processes} process(es), which fit that alone"
        return holds, f"strategy={name} and {processes} process(es) in all"


STRATEGY = Zero
