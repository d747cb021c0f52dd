"""Records of training in TensorBoard, Weights & Biases and MLflow: complete, continued by a resumed run, offline
without a key."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch.loggers.logger import DummyLogger

from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import Config
from ecomgpt.plan.configuration import configured
from ecomgpt.runtime.directory import Run
from ecomgpt.trainer.extensions import close, loggers


def config(*names: str) -> Config:
    given = [f"trainer.loggers=[{','.join(names)}]"]
    return configured(given)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run(tmp_path / "run")
    made.logs.mkdir(parents=True)
    made.update(state="running", started="now")
    return made


def test_unknown_and_uninstalled_loggers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"'tensorbord'; did you mean 'tensorboard'"):
        config("tensorbord")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in ("wandb", "mlflow") else True)
    with pytest.raises(UserError) as error:
        config("wandb", "mlflow")
    assert [problem for problem in error.value.problems if "pip install 'ecomgpt[wandb]'" in problem]


def test_csv_alone_makes_no_logger(run: Run) -> None:
    assert loggers(config("csv"), run) == [] and loggers(config(), run) == []


def test_tensorboard(run: Run) -> None:
    (logger,) = made = loggers(config("csv", "tensorboard"), run)
    logger.log_metrics({"loss": 1.5}, step=1)
    close(made)
    assert list(run.logs.rglob("events.out.tfevents*"))


def test_wandb_is_told_who_the_run_is(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a stand-in for the package: what it is asked for, with a key and without, at first and on resuming."""
    asked: list[dict[str, Any]] = []

    class WandbLogger(DummyLogger):
        def __init__(self, **settings: Any) -> None:
            asked.append(settings)

        def finalize(self, status: str) -> None:
            pass

    ended: list[bool] = []
    key = ""
    fake = SimpleNamespace(login=lambda prompt: bool(key), finish=lambda: ended.append(True))
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.setattr("lightning.pytorch.loggers.WandbLogger", WandbLogger)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    given = config()
    given.trainer.loggers = ["wandb"]
    close(loggers(given, run))
    key = "secret"
    close(loggers(given, run))
    first, second = asked
    assert first["offline"] and not second["offline"] and ended == [True, True]
    assert first["id"] == second["id"] and first["name"] == "run" and first["config"]["trainer.batch_tokens"] == 1024
    assert "wandb sync" in capsys.readouterr().out and "secret" not in str(asked)


def test_real_wandb_offline(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="the extra ecomgpt[wandb] is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    (logger,) = made = loggers(config("wandb"), run)
    logger.log_metrics({"loss": 1.5}, step=1)
    close(made)
    assert list((run.logs / "wandb").glob("offline-run-*/*.wandb"))


@pytest.mark.slow
def test_real_mlflow_in_a_local_database(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason="the extra ecomgpt[mlflow] is not installed")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    from mlflow.tracking import MlflowClient

    for step in (1, 2):  # The second start is the same run resumed.
        (logger,) = made = loggers(config("mlflow"), run)
        logger.log_metrics({"loss": 1.5 / step}, step=step)
        close(made)
    client = MlflowClient(f"sqlite:///{run.logs / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ecomgpt")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.data.params["trainer.batch_tokens"] == "1024" and found.info.run_name == "run"
    assert [item.step for item in client.get_metric_history(found.info.run_id, "loss")] == [1, 2]
