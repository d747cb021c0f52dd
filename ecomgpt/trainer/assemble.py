"""What every training of ours starts with, in a run and where one is measured: the process and Lightning's Trainer."""

import logging
import os
import warnings
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from ecomgpt.config.schema import Config
from ecomgpt.data.datamodule import Mixture
from ecomgpt.strategy.precision import precision
from ecomgpt.strategy.registry import cluster_environment, strategy_of
from ecomgpt.trainer.allocator import keep_freed_memory
from ecomgpt.trainer.checkpoints import DirectIO


def prepare_process(config: Config) -> None:
    """Sets this process's threads, seeds and memory, and silences Lightning's hints about what we do on purpose."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
    # Its new name is not in every version that we work with.
    warnings.filterwarnings("ignore", message=".*gradient_checkpointing_enable")
    if strategy_of(config.strategy).whole:
        keep_freed_memory()
    torch.set_num_threads(config.trainer.threads or max(1, (os.cpu_count() or 1) // config.trainer.devices))
    L.seed_everything(config.seed, verbose=False)


def lightning_trainer(
    config: Config, data: Mixture, callbacks: Sequence[Callback], folder: Path, loggers: Sequence[Logger] = ()
) -> L.Trainer:
    """One pass over the planned micro-batches; checkpoints, progress and records are `ecomgpt.trainer.steps`."""
    settings, strategy = config.trainer, strategy_of(config.strategy)
    return L.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.nodes,
        strategy=strategy.build(settings),
        precision=precision(settings, config.model.hidden_size),  # type: ignore[arg-type]
        max_epochs=1,
        max_steps=data.plan.steps,
        max_time=timedelta(minutes=settings.max_minutes) if settings.max_minutes else None,
        accumulate_grad_batches=data.accumulate,
        gradient_clip_val=settings.clip_norm,
        val_check_interval=settings.validate_every * data.accumulate if settings.validate_every else None,
        num_sanity_val_steps=0,
        callbacks=list(callbacks),
        plugins=[cluster_environment(config.strategy), *([DirectIO()] if strategy.whole else [])],
        logger=list(loggers),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
