"""job=fit: builds the mixture and trains on it."""

import logging
import math
import os
import signal
import time
import warnings
from datetime import timedelta
from typing import Any

import torch

from ecomgpt.config.schema import Config
from ecomgpt.data.build import Prepared
from ecomgpt.job import build
from ecomgpt.rundir import Run, log, write_json


def main(config: Config, run: Run) -> None:
    """Builds, trains and exports."""
    fit(config, run, build.build(config, run))


def fit(config: Config, run: Run, mixture: Prepared) -> None:
    """Trains in this process, or in a group of processes where the configuration asks for several."""
    if (run.model / "config.json").is_file():
        log.info("already trained")
        return
    with run.stage("fit"):
        if config.trainer.devices > 1:
            from ecomgpt.launch import group

            group(config, run, "ecomgpt.job.fit:worker")
        else:
            train(config, run, mixture)


def worker(config: Config, run: Run) -> None:
    """One process of a group: takes the mixture, which the group's parent has prepared, from the cache."""
    from ecomgpt.data.build import prepare
    from ecomgpt.model.backbone import load_tokenizer

    train(config, run, prepare(config, build.protection(config), lambda texts: load_tokenizer(config, texts)))


def train(config: Config, run: Run, mixture: Prepared) -> None:
    """Trains from the newest checkpoint, or from the start, and writes ``model/`` and the facts of the training."""
    import lightning as L
    from lightning.pytorch.loggers import TensorBoardLogger

    from ecomgpt.data.datamodule import Mixture
    from ecomgpt.model.backbone import load_model
    from ecomgpt.model.export import export
    from ecomgpt.strategy.build import precision, strategy_module
    from ecomgpt.trainer.checkpoints import Checkpoints, newest_readable
    from ecomgpt.trainer.history import History
    from ecomgpt.trainer.interrupt import Interrupted, Interruption
    from ecomgpt.trainer.module import InstructionTuner

    quieten()
    settings = config.trainer
    torch.set_num_threads(settings.threads or max(1, (os.cpu_count() or 1) // settings.devices))
    L.seed_everything(config.seed, verbose=False)
    strategy = strategy_module(config)
    data = Mixture(config, mixture.examples("train"), mixture.examples("validation"), mixture.tokenizer.pad_token_id)
    module = InstructionTuner(
        config, lambda: load_model(config, mixture.tokenizer), strategy.shard, data.accumulate, data.plan.steps
    )
    history = History(run.logs / "metrics.csv", data, settings.log_every)
    saver = Checkpoints(run.checkpoints, settings.checkpoint_every, settings.keep_checkpoints, mixture.manifest["fingerprint"])
    interruption = Interruption(saver)
    trainer = L.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.nodes,
        strategy=strategy.build(config),
        precision=precision(config),  # type: ignore[arg-type]
        max_epochs=1,
        max_steps=data.plan.steps,
        max_time=timedelta(minutes=settings.max_minutes) if settings.max_minutes else None,
        accumulate_grad_batches=data.accumulate,
        gradient_clip_val=settings.clip_norm,
        val_check_interval=settings.validate_every * data.accumulate if settings.validate_every else None,
        num_sanity_val_steps=0,
        callbacks=[history, saver, interruption],
        logger=TensorBoardLogger(run.logs, name="", version="tensorboard"),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=run.path,
    )
    found = newest_readable(run.checkpoints)
    if found and trainer.is_global_zero:
        print(f"  continuing from {found.name}", flush=True)
    started = time.perf_counter()
    try:
        trainer.fit(module, data, ckpt_path=str(found) if found else None, weights_only=True)
    except (Interrupted, SystemExit) as error:
        # Lightning answers a Ctrl-C outside of the training loop with SystemExit, and from then on ignores the signal.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from error
    if interruption.asked:
        raise KeyboardInterrupt
    log.info("trained for %.1f s", time.perf_counter() - started)
    weights = strategy.full_weights(trainer, module)
    if trainer.is_global_zero:
        write_json(run.path / "training.json", facts(history.rows, data))
        export(module.language_model, weights, mixture.tokenizer, run, config)
    trainer.strategy.barrier("exported")


def facts(rows: list[dict[str, Any]], data: Any) -> dict[str, Any]:
    """The training part of ``metrics.json``, from the history of every step."""
    seconds = math.fsum(row["seconds"] for row in rows)
    tokens = int(sum(row["tokens"] for row in rows))
    return {
        "steps": rows[-1]["step"] if rows else 0,
        "examples": int(sum(row["examples"] for row in rows)),
        "tokens": tokens,
        "target_tokens": int(sum(row["target_tokens"] for row in rows)),
        "tokens_per_second": tokens / seconds if seconds else None,
        "seconds": seconds,
        "final_loss": rows[-1]["loss"] if rows else None,
        "validation_loss": next((row["validation_loss"] for row in reversed(rows) if row["validation_loss"] is not None), None),
        "peak_memory_bytes": int(max((row["memory_bytes"] for row in rows), default=0)),
        "packing": float(data.train.lengths.sum() / (len(data.plan.rows) * data.row_tokens)) if data.plan.steps else None,
    }


def quieten() -> None:
    """Lightning's hints about what we do on purpose are noise to a user."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
