"""A loss that is no number, or leaps, never reaches the weights: the step is skipped, or training stops.

The decision is made between the backward pass of a step's last micro-batch and the optimizer's step, from the loss of
the whole step over all processes, so that every process decides the same, whatever their number.
"""

import math
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import lightning as L
import torch

from ecomgpt.common.jsonl import append_line
from ecomgpt.common.log import log

WINDOW = 50
"""Steps whose median loss a spike is measured against."""
FEWEST = 10
"""Steps before a spike can be recognized."""
MARGIN = 1.0
"""Nats that a spike must stand above the median beside its factor: near zero, a large factor means little."""


class Anomalies:
    """Watches the loss and gradients of every optimizer step.

    A skipped step counts as a step: its examples are passed over and the schedule moves on, so that a run that is
    resumed after it goes the same way. Neither weights nor the optimizer's states change.

    Args:
        action: ``stop`` or ``skip``.
        spike: A loss above this many times the median of the last `WINDOW` steps, and more than `MARGIN` above it, is a
            spike; None looks only for numbers that are not finite.
        skip: Skips the step whose gradients are ready, as the strategy wants it.
        examples: The examples of a step, as mappings with ``id`` and ``task``.
        file: Where each event is recorded, one JSON object per line.
    """

    def __init__(
        self,
        action: str,
        spike: float | None,
        skip: Callable[[L.Trainer, Any], None],
        examples: Callable[[int], list[dict[str, str]]],
        file: Path,
    ) -> None:
        self.action, self.spike, self.file = action, spike, file
        self._skip, self._examples = skip, examples
        self.recent: deque[float] = deque(maxlen=WINDOW)
        self.skipped = 0

    def state_dict(self) -> dict[str, Any]:
        return {"recent": list(self.recent), "skipped": self.skipped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.recent.extend(state["recent"])
        self.skipped = state["skipped"]

    def before_update(self, trainer: L.Trainer, module: Any, loss: float) -> float | None:
        """Skips the step or stops training if something is wrong with it.

        Args:
            trainer: Lightning's.
            module: With the gradients of the whole step.
            loss: Mean loss of the step over all processes.

        Returns:
            The gradient's norm, where the strategy shows it.

        Raises:
            FloatingPointError: With ``action="stop"``, on every process.
        """
        # Gradients of float16 may overflow: the scaler looks for a scale where they don't, and skips such steps itself.
        norm = gradient_norm(module) if trainer.precision != "16-mixed" else None
        problem = self.problem(loss, norm)
        if problem is None:
            self.recent.append(loss)
        else:
            self._report(trainer, problem, loss, norm)
            self.skipped += 1
            self._skip(trainer, module)
        return norm

    def problem(self, loss: float, norm: float | None) -> str | None:
        """What is wrong with a step of this loss and gradient norm, if anything."""
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if norm is not None and not math.isfinite(norm):
            return f"the gradient's norm is {norm}"
        if self.spike is not None and len(self.recent) >= FEWEST:
            usual = median(self.recent)
            if loss > max(self.spike * usual, usual + MARGIN):
                times, steps = loss / usual, len(self.recent)
                return f"the loss leapt to {loss:.4g}, {times:.1f} times the median of the last {steps} steps"
        return None

    def _report(self, trainer: L.Trainer, problem: str, loss: float, norm: float | None) -> None:
        """Records the event and says so; with ``stop``, ends training here on every process."""
        step = trainer.global_step + 1
        examples = self._examples(step - 1)
        counts = Counter(row["task"] for row in examples).most_common(5)
        tasks = ", ".join(f"{task} ({number})" for task, number in counts)
        ids = ", ".join(row["id"] for row in examples[:3])
        text = (
            f"step {step}: {problem}; its batch held {len(examples)} examples of {tasks}; the first: {ids}; "
            f"all in {self.file.name}"
        )
        if trainer.is_global_zero:
            event = {"step": step, "problem": problem, "action": self.action, "loss": str(loss)}
            append_line(self.file, {**event, "gradient_norm": str(norm), "examples": examples})
            log.warning("%s: %s", self.action, text)
        if self.action == "stop":
            raise FloatingPointError(
                f"{text}. The weights are those of step {step - 1}; lower trainer.learning_rate under another name=, "
                "or continue with trainer.on_anomaly=skip"
            )
        if trainer.is_global_zero:
            print(f"  left out {text}", flush=True)


def gradient_norm(module: Any) -> float | None:
    """Norm of all gradients over all processes; None under DeepSpeed, which does not show them.

    Call it on every process: sharded gradients are summed over them.
    """
    gradients = [weight.grad for weight in module.parameters() if weight.grad is not None]
    if not gradients:
        return None
    norm = torch.nn.utils.get_total_norm(gradients)
    return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
