"""Lightning's callbacks and loggers that YAML names (``_target_``): people's own, TensorBoard, W&B, MLflow.

A resumed run continues its record in each of them, because each knows the run's own identity.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.loggers import Logger
from omegaconf import OmegaConf

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import write_text
from ecomgpt.common.hashing import digest
from ecomgpt.common.nested import leaves
from ecomgpt.config.roots import declarations
from ecomgpt.config.schema import Config, TrainerConfig
from ecomgpt.runtime.directory import Run
from ecomgpt.runtime.torchrun import rank


def callbacks(trainer: TrainerConfig) -> list[Callback]:
    """Lightning's callbacks of ``trainer.callbacks``.

    Raises:
        UserError: If one can't be made, or is none.
    """
    made = {name: _made(node, f"trainer.callbacks.{name}", Callback) for name, node in trainer.callbacks.items()}
    for name, callback in made.items():
        if isinstance(callback, Checkpoint):
            raise UserError(
                f"trainer.callbacks.{name}: checkpoints are written as trainer.checkpoint_every and "
                "trainer.keep_checkpoints say; no other callback may write them"
            )
    return list(made.values())


def loggers(config: Config, run: Run) -> list[Logger]:
    """Lightning's loggers of ``trainer.loggers``, from ``conf/trainer/loggers``; each writes on process 0 alone.

    ``csv`` is not among them: `ecomgpt.trainer.history.History` always writes it, since resuming and reports read it.
    """
    files = {path.stem: path for path in declarations("trainer/loggers", config.paths.conf)}
    facts = {
        "name": run.path.name,
        "logs": str(run.logs),
        # The same for every start of one run, another for a run that replaced it.
        "id": digest(f"{run.path}\n{run.status().get('started')}"),
        "config": {
            key: value if isinstance(value, int | float | bool | str) else str(value)
            for key, value in leaves(dataclasses.asdict(config))
        },
    }
    wanted = [files[name] for name in config.trainer.loggers if name != "csv"]
    nodes = [OmegaConf.create({"run": facts, "logger": OmegaConf.load(file)}).logger for file in wanted]
    return [_made(node, str(file), Logger) for node, file in zip(nodes, wanted, strict=True)]


def close(made: list[Logger]) -> None:
    """Ends the records, so that a later run of the same process starts its own."""
    for logger in made:
        logger.finalize("success")
        if type(logger).__name__ == "WandbLogger" and rank() == 0:
            import wandb

            wandb.finish()


def wandb_logger(save_dir: str, **settings: Any) -> Logger:
    """Online where a key is known (WANDB_API_KEY or ``wandb login``); else in ``logs/wandb``, for ``wandb sync``."""
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    offline = os.environ.get("WANDB_MODE") == "offline" or not wandb.login(prompt=False)
    if offline and rank() == 0:
        print(f"  Weights & Biases: offline; upload with: wandb sync {save_dir}/wandb/offline-run-*", flush=True)
    return WandbLogger(save_dir=save_dir, offline=offline, **settings)


def mlflow_logger(folder: str, config: dict[str, Any], **settings: Any) -> Logger:
    """The server of MLFLOW_TRACKING_URI; else a database in ``logs/``, for ``mlflow ui --backend-store-uri``."""
    from lightning.pytorch.loggers import MLFlowLogger

    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    remembered = Path(folder) / "mlflow_run_id.txt"
    known = remembered.read_text().strip() if remembered.is_file() else None
    uri = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{Path(folder) / 'mlflow.db'}")
    logger = MLFlowLogger(run_id=known, tracking_uri=uri, **settings)
    if known is None and rank() == 0:
        logger.log_hyperparams(config)
        write_text(remembered, f"{logger.run_id}\n")
    return logger


def _made(node: Any, key: str, kind: type) -> Any:
    try:
        made = instantiate(node, _convert_="all")
    except Exception as error:
        # Whatever a constructor raises.
        raise UserError(f"{key}: '{node['_target_']}' can't be made: {error.__cause__ or error}") from error
    if not isinstance(made, kind):
        raise UserError(f"{key}: '{node['_target_']}' is no Lightning {kind.__name__.lower()}")
    return made
