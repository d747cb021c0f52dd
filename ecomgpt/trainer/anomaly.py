"""A loss that is no number, or leaps, never reaches the weights: the step is left out, or training stops.

The decision falls between the backward pass of a step's last micro-batch and the optimiser's step, from the loss of the
whole step over all processes, so that every process decides the same, whatever their number.
"""

import json
import math
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from ecomgpt.common.log import log

WINDOW = 50
"""Steps whose median loss a spike is measured against."""
FEWEST = 10
"""Steps before a spike can be told."""
MARGIN = 1.0
"""Nats that a spike must stand above the median beside its factor: near zero, a large factor means little."""


class Anomaly(Callback):
    """Watches the loss and gradients of every optimiser step; must stand before the callbacks that read ``loss``.

    A skipped step counts as a step: its examples are passed over and the schedule moves on, so that a run that is resumed
    behind it goes the same way. Neither weights nor the optimiser's states change.

    Args:
        action: ``stop`` or ``skip``.
        spike: A loss above this many times the median of the last `WINDOW` steps, and more than `MARGIN` above it, is a
            spike; None looks for numbers that are not finite alone.
        skip: Leaves out the step whose gradients are ready, in the strategy's way.
        examples: Names the examples of a step, as mappings with ``id`` and ``task``.
        file: Where each event is recorded, one JSON object a line.
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
        self.loss = math.nan
        self.norm: float | None = None
        self.skipped = 0

    def state_dict(self) -> dict[str, Any]:
        return {"recent": list(self.recent), "skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.recent.extend(state_dict["recent"])
        self.skipped = state_dict["skipped"]

    def on_before_optimizer_step(self, trainer: L.Trainer, module: Any, optimizer: torch.optim.Optimizer) -> None:
        # DeepSpeed's strategy calls this after every micro-batch.
        if (trainer.fit_loop.batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        self.loss = float(
            trainer.strategy.reduce(torch.as_tensor(module.step_loss, device=module.device), reduce_op="sum")
        )
        module.step_loss = 0.0
        # Gradients of float16 may overflow: the scaler looks for a scale where they don't, and leaves such steps out itself.
        self.norm = gradient_norm(module) if trainer.precision != "16-mixed" else None
        problem = self._problem()
        if problem is None:
            self.recent.append(self.loss)
            return
        self._report(trainer, problem)
        self.skipped += 1
        self._skip(trainer, module)

    def _problem(self) -> str | None:
        if not math.isfinite(self.loss):
            return f"the loss is {self.loss}"
        if self.norm is not None and not math.isfinite(self.norm):
            return f"the gradient's norm is {self.norm}"
        if self.spike is not None and len(self.recent) >= FEWEST:
            usual = median(self.recent)
            if self.loss > max(self.spike * usual, usual + MARGIN):
                return f"the loss leapt to {self.loss:.4g}, {self.loss / usual:.1f} times the median of the last {len(self.recent)} steps"
        return None

    def _report(self, trainer: L.Trainer, problem: str) -> None:
        """Records the event and says so; with ``stop``, ends training here on every process."""
        step = trainer.global_step + 1
        examples = self._examples(step - 1)
        tasks = ", ".join(
            f"{task} ({number})" for task, number in Counter(row["task"] for row in examples).most_common(5)
        )
        ids = ", ".join(row["id"] for row in examples[:3])
        text = f"step {step}: {problem}; its batch held {len(examples)} examples of {tasks}; the first: {ids}; all in {self.file.name}"
        if trainer.is_global_zero:
            event = {
                "step": step,
                "problem": problem,
                "action": self.action,
                "loss": str(self.loss),
                "gradient_norm": str(self.norm),
                "examples": examples,
            }
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(event, ensure_ascii=False) + "\n")
            log.warning("%s: %s", self.action, text)
        if self.action == "stop":
            raise FloatingPointError(
                f"{text}. The weights are those of step {step - 1}; lower trainer.learning_rate under another name=, "
                "or continue with trainer.on_anomaly=skip"
            )
        if trainer.is_global_zero:
            print(f"  left out {text}", flush=True)


def gradient_norm(module: Any) -> float | None:
    """Norm of all gradients over all processes; None under DeepSpeed, which keeps them to itself.

    Call it on every process: sharded gradients are summed over them.
    """
    gradients = [weight.grad for weight in module.parameters() if weight.grad is not None]
    if not gradients:
        return None
    norm = torch.nn.utils.get_total_norm(gradients)
    return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
