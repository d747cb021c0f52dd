"""Ctrl-C and a cluster's notice (SIGTERM, SIGUSR1, SIGUSR2) during training: the step in progress is finished and saved, then training ends.

Lightning turns Ctrl-C into ``sys.exit`` wherever it strikes, also between the backward pass and the optimiser's step, where
nothing whole can be saved. Here a signal only leaves a note, and the note is read at the next border between two steps.
"""

import os
import signal
import sys
from types import FrameType
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from ecomgpt.run.process_group import orphaned
from ecomgpt.run.signals import PREEMPTION
from ecomgpt.trainer.checkpoints import Checkpoints


class Interrupted(Exception):
    """Training stopped at a step's border, with a checkpoint; no KeyboardInterrupt, which Lightning would swallow."""


class Interruption(Callback):
    """Ends training at the border of a step when a signal has asked for it; must stand after `Checkpoints`.

    A second Ctrl-C does not wait: it raises KeyboardInterrupt, and the run continues from the last checkpoint.

    Args:
        saver: Writes the checkpoint.
    """

    def __init__(self, saver: Checkpoints) -> None:
        self.saver = saver
        self.asked = False
        self._presses = 0
        self._before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        # Now, after Lightning has put its own handlers, which would broadcast in the middle of other communication.
        for number in (signal.SIGINT, *PREEMPTION):
            self._before[number] = signal.signal(number, self._note)

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        if (index + 1) % trainer.accumulate_grad_batches:
            return
        asked = self.asked or orphaned()
        if trainer.world_size > 1:
            # All processes leave after the same step, or the others would wait for ever.
            vote = torch.tensor(float(asked), device=module.device)
            asked = float(trainer.strategy.reduce(vote, reduce_op="sum")) > 0
        if asked and trainer.global_step < trainer.max_steps:
            self.saver.save(trainer)
            raise Interrupted

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._restore()

    def on_exception(self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        # A cluster may send its notice twice, or to a group's parent, who passes it on, and to its processes as well.
        self._presses += number == signal.SIGINT
        if self._presses > 1:
            raise KeyboardInterrupt
        if self.asked:
            return
        self.asked = True
        if os.environ.get("RANK", "0") == "0":
            print("\nFinishing this step, then saving. Ctrl-C again stops at once.", file=sys.stderr, flush=True)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
