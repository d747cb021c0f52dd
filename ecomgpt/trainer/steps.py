"""What happens in a training step, in order: the one callback of ours that Lightning's Trainer calls.

For each micro-batch: seed the generators, load it, forward and backward pass (`ecomgpt.trainer.module`). For each
optimizer step: look at loss and gradients, clip them, update the weights, write the step down, save a checkpoint, and
leave where a signal has asked for it. A new thing to do in every step is a plain object, called here where it belongs.
"""

import random
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from ecomgpt.trainer.anomaly import Anomalies
from ecomgpt.trainer.checkpoints import Checkpoints
from ecomgpt.trainer.history import StepTimes
from ecomgpt.trainer.interrupt import Interruption
from ecomgpt.trainer.profile import Profile


class Steps(Callback):
    """Calls the parts in order. All but the recorder may be absent.

    Args:
        seed: The run's seed.
        recorder: Writes each step down: `ecomgpt.trainer.history.History`, or its base where speed is measured.
        anomalies: Looks at each step before its update.
        checkpoints: Saves.
        interruption: Ends training on signals.
        profile: Takes the time of each phase.
    """

    def __init__(
        self,
        seed: int,
        recorder: StepTimes,
        anomalies: Anomalies | None = None,
        checkpoints: Checkpoints | None = None,
        interruption: Interruption | None = None,
        profile: Profile | None = None,
    ) -> None:
        self.seed, self.recorder = seed, recorder
        self.anomalies, self.checkpoints = anomalies, checkpoints
        self.interruption, self.profile = interruption, profile
        self.loss = 0.0
        self.norm: float | None = None

    @property
    def interrupted(self) -> bool:
        """A signal has asked training to end."""
        return self.interruption is not None and self.interruption.requested

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        if self.checkpoints:
            self.checkpoints.start(trainer)
        if self.interruption:
            self.interruption.start()
        self.recorder.start(trainer)
        if self.profile:
            self.profile.start(module)

    def on_train_batch_start(self, trainer: L.Trainer, module: Any, batch: Any, index: int) -> None:
        self._phase_ends("data")
        # Micro-batches of all processes, counted through: the same rows have the same number however they are shared
        # out.
        seed_all(self.seed, index * trainer.world_size + trainer.global_rank)

    def on_before_backward(self, trainer: L.Trainer, module: Any, loss: torch.Tensor) -> None:
        self._phase_ends("head")

    def on_after_backward(self, trainer: L.Trainer, module: Any) -> None:
        self._phase_ends("backward")

    def on_before_optimizer_step(self, trainer: L.Trainer, module: Any, optimizer: torch.optim.Optimizer) -> None:
        # DeepSpeed's strategy calls this after every micro-batch.
        if not ends_step(trainer, trainer.fit_loop.batch_idx):
            return
        local = torch.as_tensor(module.step_loss, device=module.device)
        self.loss, module.step_loss = float(trainer.strategy.reduce(local, reduce_op="sum")), 0.0
        if self.anomalies:
            self.norm = self.anomalies.before_update(trainer, module, self.loss)

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, outputs: Any, batch: Any, index: int) -> None:
        self._phase_ends("optimizer")
        if ends_step(trainer, index):
            self._after_step(trainer)
        self._phase_ends("other")

    def _after_step(self, trainer: L.Trainer) -> None:
        if self.profile:
            self.profile.after_step()
        self.recorder.after_step(trainer, self.loss, self.norm)
        if self.checkpoints:
            self.checkpoints.after_step(trainer)
        # Last: it leaves by an exception.
        if self.interruption:
            self.interruption.after_step(trainer)

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        self._phase_ends("validation")
        self.recorder.after_validation(trainer)

    def on_train_end(self, trainer: L.Trainer, module: Any) -> None:
        if self.profile:
            self.profile.stop(trainer.is_global_zero)
        if self.checkpoints:
            self.checkpoints.save(trainer)
        self._stop()

    def on_exception(self, trainer: L.Trainer, module: Any, exception: BaseException) -> None:
        self._stop()

    def _stop(self) -> None:
        self.recorder.stop()
        if self.interruption:
            self.interruption.stop()

    def state_dict(self) -> dict[str, Any]:
        return {
            name: part.state_dict()
            for name, part in (("anomalies", self.anomalies), ("checkpoints", self.checkpoints))
            if part
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, state in state_dict.items():
            getattr(self, name).load_state_dict(state)

    def _phase_ends(self, phase: str) -> None:
        if self.profile:
            self.profile.phase_ends(phase)


def ends_step(trainer: L.Trainer, index: int) -> bool:
    """Tells whether this micro-batch is the last of its optimizer step."""
    return (index + 1) % trainer.accumulate_grad_batches == 0


def seed_all(seed: int, place: int) -> None:
    """Seeds Python's, NumPy's and PyTorch's generators, CUDA's included, from a pair of numbers.

    Seeded before each micro-batch from its place in the run, dropout draws the same mask for the same rows on however
    many processes a step is spread and however often the run was interrupted: no random state has to be saved.
    """
    value = int(np.random.SeedSequence([seed, place]).generate_state(1, np.uint64)[0])
    random.seed(value)
    np.random.seed(value % 2**32)
    torch.manual_seed(value)
