"""Bad steps never reach the weights, the same way on every start; and what monitoring writes."""

import json
import math
import time
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from ecomgpt.config.schema import StrategyConfig
from ecomgpt.runtime.directory import Run
from ecomgpt.strategy.single import SingleDevice
from ecomgpt.trainer import history
from ecomgpt.trainer.anomaly import FEWEST, Anomalies
from ecomgpt.trainer.history import History, StepTimes, read_history
from ecomgpt.trainer.steps import Steps

skip_step = SingleDevice(StrategyConfig(name="auto")).skip_step


class Line(L.LightningModule):
    """One weight; a micro-batch of NaN or a large number spoils its step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.step_loss: Any = 0.0
        self.trace: list[float] = []

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        loss = (self.weight * batch).mean() / 2
        self.step_loss += loss.detach()
        return loss * 2

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.01, fused=True)

    def on_train_batch_end(self, outputs: Any, batch: Any, index: int) -> None:
        if index % 2:
            self.trace.append(float(self.weight))


class Data:
    """What `History` asks of the mixture."""

    plan = SimpleNamespace(steps=20)

    def step_tokens(self, step: int) -> tuple[int, int, int]:
        return 3, 100, 10


def train(folder: Path, values: list[float], action: str, spike: float | None = None) -> tuple[Line, Anomalies, Run]:
    run = Run(folder)
    run.logs.mkdir(parents=True)
    run.update(state="running", stage="fit")
    anomaly = Anomalies(
        action,
        spike,
        skip_step,
        lambda step: [{"id": f"row-{step}", "task": "shop.task"}],
        run.logs / "anomalies.jsonl",
    )
    module = Line()
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        accumulate_grad_batches=2,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Steps(1, History(run, Data(), 5), anomaly)],
        default_root_dir=folder,
    )
    trainer.fit(module, DataLoader(torch.tensor(values), batch_size=None))
    return module, anomaly, run


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30])
def test_a_bad_step_is_left_out_and_its_examples_named(
    tmp_path: Path, bad: float, capsys: pytest.CaptureFixture[str]
) -> None:
    values = [1.0] * 40
    spoilt = [*values[:31], bad, *values[32:]]
    module, anomaly, run = train(tmp_path / "run", spoilt, "skip", spike=5.0)
    assert anomaly.skipped == 1 and module.trace[15] == module.trace[14]
    # Neither weights nor moments have felt it: the other steps are those of a run without it.
    without, _, _ = train(tmp_path / "without", values[:38], "skip", spike=5.0)
    assert module.trace[:15] + module.trace[16:] == without.trace
    event = json.loads((run.logs / "anomalies.jsonl").read_text())
    assert (event["step"], event["action"]) == (16, "skip")
    assert event["examples"] == [{"id": "row-15", "task": "shop.task"}]
    assert "step 16" in capsys.readouterr().out
    rows = read_history(run.logs / "metrics.csv")
    assert len(rows) == 20 and [row["step"] for row in rows if not row["loss"] < 2] == [16]


def test_training_stops_before_the_update_and_says_what_was_in_the_batch(tmp_path: Path) -> None:
    with pytest.raises(
        FloatingPointError,
        match=r"step 3: the loss is nan; its batch held 1 examples of shop.task \(1\); the first: row-2",
    ):
        train(tmp_path, [1.0] * 4 + [math.nan, 1.0] + [1.0] * 4, "stop")
    assert json.loads((tmp_path / "logs" / "anomalies.jsonl").read_text())["action"] == "stop"


def test_a_gradient_that_overflows_under_a_finite_loss_counts(tmp_path: Path) -> None:
    class Steep(Line):
        def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
            loss = super().training_step(torch.ones(()), index)
            return loss * torch.where(batch > 1, math.inf, 1.0) if batch > 1 else loss

    anomaly = Anomalies("skip", None, skip_step, lambda step: [], tmp_path / "anomalies.jsonl")
    module = Steep()
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        accumulate_grad_batches=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Steps(1, StepTimes(), anomaly)],
        default_root_dir=tmp_path,
    )
    trainer.fit(module, DataLoader(torch.tensor([1.0, 1.0, 1.0, 2.0, 1.0, 1.0]), batch_size=None))
    assert anomaly.skipped == 1 and module.trace[1] == module.trace[0] and math.isfinite(module.trace[2])


def test_a_spike_needs_a_history_a_factor_and_a_margin() -> None:
    def problem(recent: list[float], loss: float) -> str | None:
        anomaly = Anomalies("stop", 5.0, skip_step, lambda step: [], Path("unused"))
        anomaly.recent.extend(recent)
        return anomaly.problem(loss, None)

    assert problem([1.0] * FEWEST, 5.1) is not None
    assert problem([1.0] * FEWEST, 4.9) is None
    assert problem([1.0] * (FEWEST - 1), 50.0) is None
    assert problem([0.01] * FEWEST, 0.9) is None and problem([0.01] * FEWEST, 1.1) is not None


def test_the_window_travels_with_the_checkpoint() -> None:
    first = Anomalies("skip", 5.0, skip_step, lambda step: [], Path("unused"))
    first.recent.extend([1.0, 2.0])
    first.skipped = 3
    second = Anomalies("skip", 5.0, skip_step, lambda step: [], Path("unused"))
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert list(second.recent) == [1.0, 2.0] and second.skipped == 3


def test_the_heartbeat_is_true_and_rare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[dict] = []
    update = Run.update

    def count(run: Run, **changes: Any) -> None:
        written.append(changes)
        update(run, **changes)

    monkeypatch.setattr(Run, "update", count)
    train(tmp_path / "slow", [1.0] * 40, "skip")
    beats = [changes["heartbeat"] for changes in written if "heartbeat" in changes]
    # The first step, then nothing for five seconds, then the last.
    assert [beat["step"] for beat in beats] == [1, 20] and beats[1]["seconds_left"] == 0.0
    status = Run(tmp_path / "slow").status()
    assert status["state"] == "running"
    assert status["heartbeat"]["steps"] == 20
    assert status["heartbeat"]["tokens_per_second"] > 0
    assert abs(time.time() - datetime.fromisoformat(status["heartbeat"]["time"]).timestamp()) < 60
    written.clear()
    monkeypatch.setattr(history, "BEAT_SECONDS", 0.0)
    train(tmp_path / "often", [1.0] * 40, "skip")
    assert len([changes for changes in written if "heartbeat" in changes]) == 20
