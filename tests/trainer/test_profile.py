"""``trainer.profile=true``: each second of a step is counted once, under the phase that took it."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from ecomgpt.runtime.directory import Run
from ecomgpt.trainer import profile
from ecomgpt.trainer.history import StepTimes
from ecomgpt.trainer.steps import Steps

STEPS, ACCUMULATE = 4, 2


class Clock:
    """Time passes where a test says so."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


class Part(nn.Linear):
    """Takes so long in training, and a hundred times as long in validation."""

    def __init__(self, clock: Clock, forward: float, backward: float) -> None:
        super().__init__(2, 2)
        self.clock, self.seconds = clock, forward
        self.weight.register_hook(lambda gradient: clock.passes(backward))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        self.clock.passes(self.seconds * (1 if self.training else 100))
        return super().forward(input)


class Module(L.LightningModule):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock, self.step_loss = clock, 0.0
        self.base_model, self.head = Part(clock, 2.0, 3.0), Part(clock, 0.5, 1.0)

    @property
    def language_model(self) -> Any:
        return SimpleNamespace(base_model=self.base_model, get_output_embeddings=lambda: self.head)

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        return self.head(self.base_model(batch)).square().mean()

    validation_step = training_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def optimizer_step(self, *arguments: Any, **more: Any) -> None:
        super().optimizer_step(*arguments, **more)
        self.clock.passes(0.25)


def test_every_second_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, run = Clock(), Run(tmp_path)
    run.logs.mkdir()
    monkeypatch.setattr(profile, "time", clock)
    steps = Steps(1, StepTimes(), profile=profile.Profile(run))
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        accumulate_grad_batches=ACCUMULATE,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[steps],
    )
    rows = torch.ones(STEPS * ACCUMULATE, 2)
    trainer.fit(Module(clock), DataLoader(rows, batch_size=1), DataLoader(rows[:1], batch_size=1))
    with (run.logs / "profile.csv").open(encoding="utf-8") as file:
        found = {row["phase"]: float(row["seconds_per_step"]) for row in csv.DictReader(file)}
    # The first step is left out; the validation at the end is shared out over the others.
    expected = {
        "data": 0.0,
        "forward": 4.0,
        "head": 1.0,
        "backward": 8.0,
        "optimizer": 0.25,
        "validation": 250.0 / (STEPS - 1),
        "other": 0.0,
    }
    assert found == pytest.approx(expected, abs=1e-5)
    assert (run.path / "figures" / "profile.png").stat().st_size > 5000
    assert "| forward | 4.0000 |" in (run.logs / "profile.md").read_text(encoding="utf-8")
