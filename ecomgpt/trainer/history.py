"""What happened at each optimizer step: ``logs/metrics.csv``, loggers, the heartbeat, progress with the time left."""

import csv
import math
import resource
import sys
import time
from pathlib import Path
from typing import Any

import lightning as L
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ecomgpt.common.files import replacing
from ecomgpt.common.log import now
from ecomgpt.common.units import duration, size
from ecomgpt.data.datamodule import Mixture
from ecomgpt.runtime.directory import Run

COLUMNS = (
    "step",
    "loss",
    "learning_rate",
    "grad_norm",
    "examples",
    "tokens",
    "target_tokens",
    "tokens_per_second",
    "memory_bytes",
    "seconds",
    "validation_loss",
)
BEAT_SECONDS = 5.0
"""``status.json`` is written at most this often."""
RECENT = 20
"""Steps that the shown speed is averaged over."""


class StepTimes:
    """Seconds and loss of each optimizer step of this process, in memory: for measurements.

    Attributes:
        rows: One mapping per step, with ``seconds`` and ``loss``.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def start(self, trainer: L.Trainer) -> None:
        """Training begins, at ``trainer.global_step``."""
        self._mark = time.perf_counter()

    def after_step(self, trainer: L.Trainer, loss: float, norm: float | None) -> None:
        """A step has ended; with its mean loss over all processes, and its gradient's norm before clipping."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        moment = time.perf_counter()
        self.rows.append({"seconds": moment - self._mark, "loss": loss})
        self._mark = moment

    def after_validation(self, trainer: L.Trainer) -> None:
        """Validation has ended; its time is no training time."""
        self._mark = time.perf_counter()

    def stop(self) -> None:
        """Training has ended or failed."""


class History(StepTimes):
    """Writes one row per optimizer step, on the first process.

    Args:
        run: Gets ``logs/metrics.csv``, which a resumed run continues where its checkpoint stands, and the heartbeat.
        data: Knows what each step holds.
        log_every: Optimizer steps between two lines of progress where the output is no terminal.
    """

    def __init__(self, run: Run, data: Mixture, log_every: int) -> None:
        super().__init__()
        self.run, self.data, self.log_every = run, data, log_every
        self.file = run.logs / "metrics.csv"
        self._progress: Progress | None = None
        self._beaten = float("-inf")

    def start(self, trainer: L.Trainer) -> None:
        """Opens the record at ``trainer.global_step``; what a resumed run had written after it is done again."""
        super().start(trainer)
        self._started = self._mark
        self._before = trainer.global_step
        if not trainer.is_global_zero:
            return
        self.rows = [row for row in read_history(self.file) if row["step"] <= trainer.global_step]
        self._write_all()
        if sys.stderr.isatty():
            columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[facts]}"))
            ends = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
            self._progress = Progress(*columns, *ends, console=Console(stderr=True))
            self._progress.start()
            self._bar = self._progress.add_task("", total=self.data.plan.steps, completed=self._before, facts="")

    def after_step(self, trainer: L.Trainer, loss: float, norm: float | None) -> None:
        """Writes the step down and shows it."""
        moment = time.perf_counter()
        seconds, self._mark = moment - self._mark, moment
        if not trainer.is_global_zero:
            return
        step = trainer.global_step
        examples, tokens, targets = self.data.step_tokens(step - 1)
        row = {
            "step": step,
            "loss": loss,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "grad_norm": norm,
            "examples": examples,
            "tokens": tokens,
            "target_tokens": targets,
            "tokens_per_second": tokens / max(seconds, 1e-9),
            "memory_bytes": memory_bytes(),
            "seconds": seconds,
            "validation_loss": None,
        }
        self.rows.append(row)
        with self.file.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS).writerow(row)
        for logger in trainer.loggers:
            logger.log_metrics({key: value for key, value in row.items() if value is not None and key != "step"}, step)
        self._show(row)

    def _show(self, row: dict[str, Any]) -> None:
        step, total = int(row["step"]), self.data.plan.steps
        recent = self.rows[-RECENT:]
        speed = sum(item["tokens"] for item in recent) / max(1e-9, sum(item["seconds"] for item in recent))
        left = (time.perf_counter() - self._started) / max(1, step - self._before) * (total - step)
        facts = f"loss {row['loss']:.3f}  {speed:,.0f} tokens/s  {size(row['memory_bytes'])}"
        if self._progress is not None:
            self._progress.update(self._bar, completed=step, facts=facts)
        elif step % self.log_every == 0 or step == total:
            print(f"  step {step}/{total}  {facts}  {duration(left)} left", flush=True)
        if time.monotonic() - self._beaten >= BEAT_SECONDS or step == total:
            self._beaten = time.monotonic()
            self.run.update(
                heartbeat={
                    "step": step,
                    "steps": total,
                    "loss": row["loss"] if math.isfinite(row["loss"]) else None,
                    "tokens_per_second": speed,
                    "seconds_left": left,
                    "memory_bytes": row["memory_bytes"],
                    "time": now(),
                }
            )

    def after_validation(self, trainer: L.Trainer) -> None:
        """Adds the loss to the last step's row."""
        value = trainer.callback_metrics.get("validation_loss")
        if trainer.is_global_zero and value is not None and self.rows and not trainer.sanity_checking:
            self.rows[-1]["validation_loss"] = float(value)
            self._write_all()
        super().after_validation(trainer)

    def stop(self) -> None:
        """Closes the progress bar."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _write_all(self) -> None:
        with replacing(self.file) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)


def read_history(file: Path) -> list[dict[str, Any]]:
    """The rows of a metrics file; a line that a kill tore is left out."""
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        whole = [row for row in csv.DictReader(lines) if all(row.get(column) is not None for column in COLUMNS)]
    return [{column: _number(row[column]) for column in COLUMNS} for row in whole]


def _number(text: str) -> int | float | None:
    """As it was written: a continued file has the same numbers in the same form."""
    if not text:
        return None
    return int(text) if text.isdecimal() else float(text)


def memory_bytes() -> int:
    """Peak memory so far: of the GPU where there is one, else resident memory of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
