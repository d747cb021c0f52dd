"""Lightning's Trainer, as every training of ours wants it."""

import logging
import warnings
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from ecomgpt.config.schema import Config
from ecomgpt.data.datamodule import Mixture
from ecomgpt.strategy.build import cluster_environment, precision, strategy_module
from ecomgpt.trainer.checkpoints import DirectIO


def lightning_trainer(
    config: Config, data: Mixture, callbacks: Sequence[Callback], loggers: Sequence[Logger], folder: Path
) -> L.Trainer:
    """One pass over the planned micro-batches; checkpoints, progress and records are callbacks of ours."""
    settings = config.trainer
    return L.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.nodes,
        strategy=strategy_module(config).build(config),
        precision=precision(config),  # type: ignore[arg-type]
        max_epochs=1,
        max_steps=data.plan.steps,
        max_time=timedelta(minutes=settings.max_minutes) if settings.max_minutes else None,
        accumulate_grad_batches=data.accumulate,
        gradient_clip_val=settings.clip_norm,
        val_check_interval=settings.validate_every * data.accumulate if settings.validate_every else None,
        num_sanity_val_steps=0,
        callbacks=list(callbacks),
        plugins=[cluster_environment(config), *([DirectIO()] if config.strategy.kind in ("single", "ddp") else [])],
        logger=list(loggers),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )


def quieten() -> None:
    """Lightning's hints about what we do on purpose are noise to a user."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
    # Its new name is not in every version that we work with.
    warnings.filterwarnings("ignore", message=".*gradient_checkpointing_enable")
