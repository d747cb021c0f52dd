"""job=fit: builds the mixture and trains on it."""

import math
import os
import signal
import time
from pathlib import Path
from typing import Any

import torch

from ecomgpt.common.files import write_json
from ecomgpt.common.log import log
from ecomgpt.config.schema import Config
from ecomgpt.data.prepared import Prepared
from ecomgpt.job import build
from ecomgpt.run import torchrun
from ecomgpt.run.directory import Run
from ecomgpt.run.process_group import run_group


def main(config: Config, run: Run) -> None:
    """Builds, trains and exports."""
    fit(config, run, build.build(config, run))


def fit(config: Config, run: Run, mixture: Prepared) -> None:
    """Trains in this process, in a group of processes on this machine, or in the one that torchrun has started."""
    from ecomgpt.trainer.stored import resume_point

    # A model alone says nothing: job=export may have made it of a checkpoint, before training was interrupted or since.
    if run.training_file.is_file() and (run.model / "config.json").is_file():
        log.info("already trained")
        torchrun.publish_mixture_ready(train=False)
        torchrun.clear_rank_env()
        return
    with run.stage("fit"):
        found = resume_point(run.checkpoints, config)
        if found:
            print(f"  continuing from {found.name}", flush=True)
        torchrun.publish_mixture_ready(train=True)
        if torchrun.joined() or config.strategy.kind == "single":
            train(config, run, mixture)
            torchrun.clear_rank_env()
        else:
            mixture.hand_over(run.path / "data")
            run_group(config, run, "ecomgpt.job.fit:member")


def member(config: Config, run: Run) -> None:
    """One process of a group on this machine: trains on what its parent has prepared."""
    from ecomgpt.model.loading import read_tokenizer

    train(config, run, Prepared.handed_over(run.path / "data", read_tokenizer))


def follower(config: Config, run: Run) -> None:
    """A process under torchrun, perhaps on another machine with a cache of its own."""
    from ecomgpt.data.pipeline import prepare
    from ecomgpt.eval.protection import protection
    from ecomgpt.model.tokenizer import tokenizer_of

    train(config, run, prepare(config, protection(config), tokenizer_of(config)))


def train(config: Config, run: Run, mixture: Prepared) -> None:
    """Trains from the newest checkpoint, or from the start, and writes ``model/`` and the facts of the training."""
    import lightning as L

    from ecomgpt.data.datamodule import Mixture
    from ecomgpt.model.export import export
    from ecomgpt.model.loading import load_model
    from ecomgpt.strategy.build import strategy_module
    from ecomgpt.trainer.allocator import keep_freed_memory
    from ecomgpt.trainer.anomaly import Anomaly
    from ecomgpt.trainer.build import lightning_trainer, quieten
    from ecomgpt.trainer.checkpoints import Checkpoints
    from ecomgpt.trainer.energy import Energy
    from ecomgpt.trainer.history import History
    from ecomgpt.trainer.interrupt import Interrupted, Interruption
    from ecomgpt.trainer.loggers import close, loggers
    from ecomgpt.trainer.module import InstructionTuner
    from ecomgpt.trainer.profile import Profile, ProfileEnd
    from ecomgpt.trainer.randomness import Randomness
    from ecomgpt.trainer.stored import checkpoints

    quieten()
    keep_freed_memory(config)
    settings = config.trainer
    torch.set_num_threads(settings.threads or max(1, (os.cpu_count() or 1) // settings.devices))
    L.seed_everything(config.seed, verbose=False)
    strategy = strategy_module(config)
    data = Mixture(config, mixture.examples("train"), mixture.examples("validation"), mixture.tokenizer.pad_token_id)
    module = InstructionTuner(
        config, lambda: load_model(config, mixture.tokenizer), strategy.shard, data.accumulate, data.plan.steps
    )
    anomaly = Anomaly(
        settings.on_anomaly,
        settings.spike,
        strategy.skip_step,
        lambda step: named(mixture, data, step),
        run.logs / "anomalies.jsonl",
    )
    history = History(run, data, anomaly, settings.log_every, Path(config.paths.cache).expanduser())
    saver = Checkpoints(run.checkpoints, config, mixture.manifest["fingerprint"])
    interruption = Interruption(saver)
    records = loggers(config, run)
    callbacks: list[Any] = [Randomness(config.seed), anomaly, history, saver, interruption]
    if settings.profile:
        profile = Profile(run)
        callbacks = [profile, *callbacks, ProfileEnd(profile)]
    trainer = lightning_trainer(config, data, callbacks, records, run.path)
    found = next(iter(checkpoints(run.checkpoints)), None)
    started = time.perf_counter()
    energy = Energy()
    try:
        with energy:
            trainer.fit(module, data, ckpt_path=str(found) if found else None, weights_only=True)
    except (Interrupted, SystemExit) as error:
        # Lightning answers a Ctrl-C outside of the training loop with SystemExit, and from then on ignores the signal.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from error
    if interruption.asked:
        raise KeyboardInterrupt
    log.info("trained for %.1f s", time.perf_counter() - started)
    close(records)
    weights = strategy.full_weights(trainer, module)
    if trainer.is_global_zero:
        # What an interrupted start has drawn is not known any more.
        drawn = None if found or energy.joules is None else round(energy.joules, 1)
        export(module.language_model, weights, mixture.tokenizer, run, config)
        # Last of all: with it, training counts as done.
        write_json(
            run.training_file, facts(history.rows, data) | {"skipped_steps": anomaly.skipped, "energy_joules": drawn}
        )
    trainer.strategy.barrier("exported")


def named(mixture: Prepared, data: Any, step: int) -> list[dict[str, str]]:
    """Ids and tasks of a step's examples."""
    from ecomgpt.data.store import instructions_at

    rows = data.train.rows[data.plan.step_examples(step)].tolist()
    return [{"id": row.id, "task": row.task} for row in instructions_at(mixture.instructions / "train.arrow", rows)]


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
        "mfu": math.fsum((row["mfu"] or 0.0) * row["seconds"] for row in rows) / seconds if seconds else None,
        "final_loss": next((row["loss"] for row in reversed(rows) if math.isfinite(row["loss"])), None),
        "validation_loss": next(
            (row["validation_loss"] for row in reversed(rows) if row["validation_loss"] is not None), None
        ),
        "peak_memory_bytes": int(max((row["memory_bytes"] for row in rows), default=0)),
        "batch": {
            "rows_at_once": data.micro_rows,
            "accumulate": data.accumulate,
            "gradient_checkpointing": data.config.trainer.gradient_checkpointing,
            "chosen": data.config.trainer.batch,
        },
        "packing": data.totals()[1] / (len(data.plan.rows) * data.row_tokens) if data.plan.steps else None,
    }
