"""What happened at each optimiser step: ``logs/metrics.csv``, TensorBoard, and a line of progress with the time left."""

import csv
import math
import sys
import time
from pathlib import Path
from typing import Any

import lightning as L
import psutil
import torch
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ecomgpt.data.datamodule import Mixture

COLUMNS = (
    "step", "loss", "learning_rate", "grad_norm", "examples", "tokens", "target_tokens", "tokens_per_second",
    "memory_bytes", "seconds", "validation_loss",
)


class History(Callback):
    """Writes one row an optimiser step, on the first process.

    Args:
        file: The CSV file; a resumed run goes on where its checkpoint stands.
        data: Knows what each step holds.
        log_every: Optimiser steps between two lines of progress where the output is no terminal.
    """

    def __init__(self, file: Path, data: Mixture, log_every: int) -> None:
        self.file, self.data, self.log_every = file, data, log_every
        self.rows: list[dict[str, Any]] = []
        self._norm: float | None = None
        self._progress: Progress | None = None

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._started = self._step_started = time.perf_counter()
        self._before = trainer.global_step
        if not trainer.is_global_zero:
            return
        self.rows = [row for row in read_history(self.file) if row["step"] <= trainer.global_step]
        self._write_all()
        if sys.stderr.isatty():
            self._progress = Progress(
                TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[facts]}"),
                TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True),
            )
            self._progress.start()
            self._bar = self._progress.add_task("", total=self.data.plan.steps, completed=trainer.global_step, facts="")

    def on_before_optimizer_step(self, trainer: L.Trainer, module: L.LightningModule, optimizer: torch.optim.Optimizer) -> None:
        # Sharded gradients have no local norm worth showing; their strategies clip by the global one.
        if trainer.world_size == 1:
            gradients = [weight.grad for weight in module.parameters() if weight.grad is not None]
            self._norm = float(torch.nn.utils.get_total_norm(gradients)) if gradients else None

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, outputs: Any, batch: Any, index: int) -> None:
        if (index + 1) % trainer.accumulate_grad_batches:
            return
        loss = float(trainer.strategy.reduce(torch.as_tensor(module.step_loss, device=module.device), reduce_op="sum"))
        module.step_loss = 0.0
        now = time.perf_counter()
        seconds, self._step_started = now - self._step_started, now
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss of step {trainer.global_step} is {loss}; lower trainer.learning_rate")
        if trainer.is_global_zero:
            self._record(trainer, loss, seconds)

    def _record(self, trainer: L.Trainer, loss: float, seconds: float) -> None:
        step = trainer.global_step
        examples, tokens, targets = self.data.step_tokens(step - 1)
        row = {
            "step": step, "loss": loss, "learning_rate": trainer.optimizers[0].param_groups[0]["lr"], "grad_norm": self._norm,
            "examples": examples, "tokens": tokens, "target_tokens": targets, "tokens_per_second": tokens / max(seconds, 1e-9),
            "memory_bytes": memory_bytes(), "seconds": seconds, "validation_loss": None,
        }
        self.rows.append(row)
        with self.file.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS).writerow(row)
        for logger in trainer.loggers:
            logger.log_metrics({key: value for key, value in row.items() if value is not None and key != "step"}, step)
        self._show(row)

    def _show(self, row: dict[str, Any]) -> None:
        step, total = row["step"], self.data.plan.steps
        recent = self.rows[-20:]
        speed = sum(item["tokens"] for item in recent) / sum(item["seconds"] for item in recent)
        facts = f"loss {row['loss']:.3f}  {speed:,.0f} tokens/s  {row['memory_bytes'] / 1e9:.1f} GB"
        if self._progress is not None:
            self._progress.update(self._bar, completed=step, facts=facts)
        elif step % self.log_every == 0 or step == total:
            done = step - self._before
            left = (time.perf_counter() - self._started) / max(1, done) * (total - step)
            print(f"  step {step}/{total}  {facts}  {left:.0f} s left", flush=True)

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        value = trainer.callback_metrics.get("validation_loss")
        if trainer.is_global_zero and value is not None and self.rows and not trainer.sanity_checking:
            self.rows[-1]["validation_loss"] = float(value)
            self._write_all()
        # Time spent on validation is no training time.
        self._step_started = time.perf_counter()

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _write_all(self) -> None:
        temporary = self.file.with_suffix(".tmp")
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)
        temporary.replace(self.file)


def read_history(file: Path) -> list[dict[str, Any]]:
    """The rows of a metrics file; a line that a kill tore is left out."""
    if not file.is_file():
        return []
    rows = []
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if all(row.get(column) is not None for column in COLUMNS):
                numbers = {column: float(row[column]) if row[column] else None for column in COLUMNS}
                rows.append({**numbers, "step": int(numbers["step"] or 0)})
    return rows


def memory_bytes() -> int:
    """Peak memory so far: of the GPU where there is one, else resident memory of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    except ImportError:
        return psutil.Process().memory_info().rss
