"""Lightning's DeepSpeed strategy, mended: exact gradients, whole models, checkpoints without pickles, CPUs."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch
from lightning.pytorch.strategies import DeepSpeedStrategy

FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
"""PyTorch's variable that overrides even a call with ``weights_only=False``."""


class ExactDeepSpeedStrategy(DeepSpeedStrategy):
    """Lightning's strategy with gradients of the right size under accumulation."""

    def backward(self, closure_loss: torch.Tensor, optimizer: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        # Lightning has divided the loss by the accumulated micro-batches; DeepSpeed would do it again, which shrinks
        # the gradients below the norm at which they are clipped.
        return super().backward(closure_loss, optimizer, *args, scale_wrt_gas=False, **kwargs)

    def load_checkpoint(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        with restricted_unpickling():
            return super().load_checkpoint(*args, **kwargs)

    @contextlib.contextmanager
    def model_sharded_context(self) -> Iterator[None]:
        # Stage 3 would split each weight as it is made, and a model that is then initialised or loaded keeps wrong
        # ones. So it is made whole in main memory, and split when training is set up.
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
    """DeepSpeed unpickles whatever a checkpoint holds; here only tensors, plain values and its own classes."""
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
