"""Where the figures of training go beside ``logs/metrics.csv``: TensorBoard, Weights & Biases, MLflow.

A resumed run continues its record in each of them, because each is told the run's own identity.
"""

import dataclasses
import os
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from lightning.pytorch.loggers import Logger

from ecomgpt.common.files import write_text
from ecomgpt.config.schema import Config
from ecomgpt.run.directory import Run

PROJECT = "ecomgpt"
"""The project (Weights & Biases) or experiment (MLflow) that runs are filed under."""


def loggers(config: Config, run: Run) -> list[Logger]:
    """Lightning's loggers for ``trainer.loggers``; each writes on the first process alone.

    ``csv`` is not among them: `ecomgpt.trainer.history.History` always writes it, since resuming and reports read it.
    """
    makers = {"tensorboard": _tensorboard, "wandb": _wandb, "mlflow": _mlflow}
    return [makers[name](config, run) for name in config.trainer.loggers if name in makers]


def close(made: list[Logger]) -> None:
    """Ends the records, so that a later run of the same process starts its own."""
    for logger in made:
        logger.finalize("success")
        if type(logger).__name__ == "WandbLogger" and _first():
            import wandb

            wandb.finish()


def _tensorboard(config: Config, run: Run) -> Logger:
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(run.logs, name="", version="tensorboard", default_hp_metric=False)


def _wandb(config: Config, run: Run) -> Logger:
    """Online where a key is known (WANDB_API_KEY or ``wandb login``); else it stays in ``logs/wandb``, for ``wandb sync``."""
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    offline = os.environ.get("WANDB_MODE") == "offline" or not wandb.login(prompt=False)
    if offline and _first():
        print(f"  Weights & Biases: offline; upload with: wandb sync {run.logs / 'wandb'}/offline-run-*", flush=True)
    return WandbLogger(
        name=run.path.name,
        save_dir=run.logs,
        id=_identity(run),
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        offline=offline,
        config=dict(_flat(dataclasses.asdict(config))),
    )


def _mlflow(config: Config, run: Run) -> Logger:
    """The server of MLFLOW_TRACKING_URI; else a database in ``logs/``, for ``mlflow ui --backend-store-uri``."""
    from lightning.pytorch.loggers import MLFlowLogger

    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    remembered = run.logs / "mlflow_run_id.txt"
    known = remembered.read_text().strip() if remembered.is_file() else None
    logger = MLFlowLogger(
        experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT),
        run_name=run.path.name,
        run_id=known,
        tracking_uri=os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{run.logs / 'mlflow.db'}"),
    )
    if known is None and _first():
        logger.log_hyperparams(dict(_flat(dataclasses.asdict(config))))
        write_text(remembered, f"{logger.run_id}\n")
    return logger


def _first() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _identity(run: Run) -> str:
    """The same for every start of one run, another for a run that replaced it."""
    return blake2b(f"{run.path}\n{run.status().get('started')}".encode(), digest_size=8).hexdigest()


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _flat(item, f"{key}.{name}" if key else str(name))
    else:
        yield key, value if isinstance(value, int | float | bool | str) else str(value)
