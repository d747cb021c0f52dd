"""DeepSpeed ZeRO, on GPUs, and on CPUs (gloo) so that a cluster run can be rehearsed."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import lightning as L
import torch
from lightning.pytorch.strategies import DeepSpeedStrategy

from ecomgpt.config.schema import Config
from ecomgpt.run.machine import on_gpu
from ecomgpt.strategy.build import backend

FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
"""PyTorch's variable that overrides even a call with ``weights_only=False``."""


class ExactDeepSpeedStrategy(DeepSpeedStrategy):
    """Lightning's strategy with gradients of the right size under accumulation."""

    def backward(self, closure_loss: torch.Tensor, optimizer: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        # Lightning has divided the loss by the accumulated micro-batches; DeepSpeed would do it again, which shrinks the
        # gradients below the norm at which they are clipped.
        return super().backward(closure_loss, optimizer, *args, scale_wrt_gas=False, **kwargs)

    def load_checkpoint(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        with restricted_unpickling():
            return super().load_checkpoint(*args, **kwargs)

    @contextlib.contextmanager
    def model_sharded_context(self) -> Iterator[None]:
        # Stage 3 would split each weight as it is made, and a model that is then initialised or loaded keeps wrong ones.
        # So it is made whole in main memory, and split when training is set up.
        yield


class CPUDeepSpeedStrategy(ExactDeepSpeedStrategy):
    """Without Lightning's refusal of CPUs."""

    @property
    def root_device(self) -> torch.device:
        # DeepSpeed wants a number, although a CPU has only one device.
        return torch.device("cpu", self.local_rank)

    def setup_environment(self) -> None:
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
        from deepspeed.ops import __compatible_ops__

        # Compiling the shared-memory communication op takes over a minute; gloo does the same work.
        __compatible_ops__["deepspeed_shm_comm"] = False
        super(DeepSpeedStrategy, self).setup_environment()

    def setup_distributed(self) -> None:
        super(DeepSpeedStrategy, self).setup_distributed()
        self._init_deepspeed_distributed()


@contextlib.contextmanager
def restricted_unpickling() -> Iterator[None]:
    """DeepSpeed unpickles whatever a checkpoint holds; here only tensors, plain values and the classes that it writes itself."""
    from deepspeed.runtime.fp16.loss_scaler import DynamicLossScaler, LossScaler
    from deepspeed.runtime.zero.config import ZeroStageEnum
    from deepspeed.utils.tensor_fragment import fragment_address

    before = os.environ.get(FORCE)
    os.environ[FORCE] = "1"
    try:
        with torch.serialization.safe_globals([DynamicLossScaler, LossScaler, ZeroStageEnum, fragment_address]):
            yield
    finally:
        if before is None:
            del os.environ[FORCE]
        else:
            os.environ[FORCE] = before


def build(config: Config) -> DeepSpeedStrategy:
    """Lightning's DeepSpeed strategy with the ZeRO stage of the configuration."""
    zero: dict[str, Any] = {"stage": config.strategy.stage}
    if config.strategy.offload_optimizer:
        zero["offload_optimizer"] = {"device": "cpu"}
    if config.strategy.offload_parameters:
        zero["offload_param"] = {"device": "cpu"}
    settings = {
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "train_micro_batch_size_per_gpu": config.trainer.micro_rows or 1,
        # A rehearsal offloads with PyTorch's AdamW: DeepSpeed's own is compiled at its first use, for over a minute.
        "zero_force_ds_cpu_optimizer": on_gpu(config),
    }
    kind = ExactDeepSpeedStrategy if on_gpu(config) else CPUDeepSpeedStrategy
    return kind(config=settings, process_group_backend=backend(config))


def shard(module: Any) -> None:
    """DeepSpeed shards when Lightning hands it the module."""


def skip_step(trainer: L.Trainer, module: Any) -> None:
    """Takes DeepSpeed's own way out for gradients that overflow, which clears the buffers of every stage."""
    optimizer: Any = trainer.model.optimizer  # type: ignore[union-attr]

    def overflowed(found: bool = False) -> None:
        optimizer.overflow = True
        del optimizer._update_scale  # The class's own method again: this step alone is left out.

    optimizer._update_scale = overflowed


def full_weights(trainer: L.Trainer, module: Any) -> dict:
    """Gathers stage 3's shards; with stages 1 and 2 every process holds all weights."""
    if module.config.strategy.stage < 3:
        return module.language_model.state_dict()
    import deepspeed

    weights = list(module.language_model.parameters())
    with deepspeed.zero.GatheredParameters(weights, modifier_rank=None):
        return {name: value.detach().cpu().clone() for name, value in module.language_model.state_dict().items()}
