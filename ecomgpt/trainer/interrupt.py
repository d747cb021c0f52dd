"""Ctrl-C and a cluster's notice (SIGTERM, SIGUSR1, SIGUSR2) in training: finish the step, save it, end.

Lightning turns Ctrl-C into ``sys.exit`` wherever it strikes, also between the backward pass and the optimizer's step,
where nothing whole can be saved. Here the handler only sets a flag, which is checked between optimizer steps.
"""

import contextlib
import signal
import sys
from types import FrameType
from typing import Any

import lightning as L
import torch

from ecomgpt.runtime.signals import PREEMPTION
from ecomgpt.runtime.torchrun import rank
from ecomgpt.trainer.checkpoints import Checkpoints


class Interrupted(Exception):
    """Training stopped between two steps, with a checkpoint; no KeyboardInterrupt, which Lightning would swallow."""


class Interruption:
    """Ends training between two steps when a signal has asked for it, or when the process that started us is gone.

    A second Ctrl-C does not wait: it raises KeyboardInterrupt, and the run continues from the last checkpoint.

    Args:
        checkpoints: Writes the last checkpoint.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints = checkpoints
        self.requested = False
        self._presses = 0
        self._before: dict[signal.Signals, Any] = {}

    def start(self) -> None:
        """Installs the handlers, in place of Lightning's, which would broadcast amid other communication."""
        for number in (signal.SIGINT, *PREEMPTION):
            self._before[number] = signal.signal(number, self._request)

    def after_step(self, trainer: L.Trainer) -> None:
        """Saves and leaves, if any process was asked to.

        Raises:
            Interrupted: On every process after the same step, or the others would wait forever.
        """
        requested = self.requested
        if trainer.world_size > 1:
            vote = torch.tensor(float(requested), device=trainer.lightning_module.device)
            requested = float(trainer.strategy.reduce(vote, reduce_op="sum")) > 0
        if requested and trainer.global_step < trainer.max_steps:
            self.checkpoints.save(trainer)
            raise Interrupted

    def stop(self) -> None:
        """Puts the former handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _request(self, number: int, frame: FrameType | None) -> None:
        # A cluster may send its notice twice, or to a group's parent, who passes it on, and to its processes as well.
        self._presses += number == signal.SIGINT
        if self._presses > 1:
            raise KeyboardInterrupt
        if self.requested:
            return
        self.requested = True
        if rank() == 0:
            with contextlib.suppress(OSError):  # The terminal may be gone.
                print("\nFinishing this step, then saving. Ctrl-C again stops at once.", file=sys.stderr, flush=True)
