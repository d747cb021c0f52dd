"""job=fit: builds the mixture and trains on it."""

import math
import signal
import time
from typing import TYPE_CHECKING, Any

from ecomgpt.common.files import write_json
from ecomgpt.common.log import log
from ecomgpt.config.schema import Config
from ecomgpt.data.prepared import Prepared
from ecomgpt.job import build
from ecomgpt.job.mixture import prepared
from ecomgpt.runtime import torchrun
from ecomgpt.runtime.directory import Run
from ecomgpt.runtime.process_group import run_group

if TYPE_CHECKING:
    import lightning as L

    from ecomgpt.data.datamodule import Mixture
    from ecomgpt.trainer.module import InstructionTuner
    from ecomgpt.trainer.steps import Steps


def main(config: Config, run: Run) -> None:
    """Builds, trains and exports."""
    fit(config, run, build.build(config, run))


def fit(config: Config, run: Run, mixture: Prepared) -> None:
    """Trains in this process, in a group of processes on this machine, or in the one that torchrun has started."""
    from ecomgpt.trainer.stored import resume_point

    # A model alone says nothing: job=export may have made it of a checkpoint, before training was interrupted or since.
    if run.training_file.is_file() and (run.model / "config.json").is_file():
        log.info("already trained")
        torchrun.publish(torchrun.BUILT, torchrun.LEAVE)
        torchrun.clear_rank_env()
        return
    with run.stage("fit"):
        found = resume_point(run.checkpoints, config.trainer, config.strategy)
        if found:
            print(f"  continuing from {found.name}", flush=True)
        torchrun.publish(torchrun.BUILT, torchrun.TRAIN)
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
    train(config, run, prepared(config))


def train(config: Config, run: Run, mixture: Prepared) -> None:
    """Trains from the newest checkpoint, or from the start, and writes ``model/`` and the facts of the training."""
    from ecomgpt.data.datamodule import Mixture
    from ecomgpt.model.loading import load_model
    from ecomgpt.trainer.assemble import lightning_trainer, prepare_process
    from ecomgpt.trainer.extensions import callbacks, close, loggers
    from ecomgpt.trainer.module import InstructionTuner

    prepare_process(config)
    data = Mixture(config, mixture.examples("train"), mixture.examples("validation"), mixture.tokenizer.pad_token_id)
    module = InstructionTuner(
        config,
        lambda: load_model(config.model, config.paths.models, mixture.tokenizer, config.seed),
        data.accumulate,
        data.plan.steps,
    )
    steps = all_steps(config, run, mixture, data)
    records = loggers(config, run)
    # Ours comes last: a checkpoint that it saves holds the others' states after the same step.
    trainer = lightning_trainer(config, data, [*callbacks(config.trainer), steps], run.path, records)
    fit_or_continue(trainer, module, data, run)
    if steps.interrupted:
        raise KeyboardInterrupt
    close(records)
    finish(trainer, module, run, mixture, facts(steps, data))


def all_steps(config: Config, run: Run, mixture: Prepared, data: "Mixture") -> "Steps":
    """Everything that a run does in a step; the order is that of `ecomgpt.trainer.steps`."""
    from ecomgpt.data.store import instructions_at
    from ecomgpt.strategy.registry import strategy_of
    from ecomgpt.trainer.anomaly import Anomalies
    from ecomgpt.trainer.checkpoints import Checkpoints
    from ecomgpt.trainer.history import History
    from ecomgpt.trainer.interrupt import Interruption
    from ecomgpt.trainer.profile import Profile
    from ecomgpt.trainer.steps import Steps

    def examples(step: int) -> list[dict[str, str]]:
        rows = data.train.rows[data.plan.step_examples(step)].tolist()
        found = instructions_at(mixture.instructions / "train.arrow", rows)
        return [{"id": row.id, "task": row.task} for row in found]

    trainer, skip = config.trainer, strategy_of(config.strategy).skip_step
    checkpoints = Checkpoints(run.checkpoints, trainer, config.strategy, mixture.manifest["fingerprint"])
    return Steps(
        config.seed,
        History(run, data, trainer.log_every),
        Anomalies(trainer.on_anomaly, trainer.spike, skip, examples, run.logs / "anomalies.jsonl"),
        checkpoints,
        Interruption(checkpoints),
        Profile(run) if trainer.profile else None,
    )


def fit_or_continue(trainer: "L.Trainer", module: "InstructionTuner", data: "Mixture", run: Run) -> None:
    """Trains from the newest checkpoint, if there is one.

    Raises:
        KeyboardInterrupt: If training was interrupted, with a checkpoint.
    """
    from ecomgpt.trainer.interrupt import Interrupted
    from ecomgpt.trainer.stored import checkpoints

    found = next(iter(checkpoints(run.checkpoints)), None)
    started = time.perf_counter()
    try:
        trainer.fit(module, data, ckpt_path=str(found) if found else None, weights_only=True)
    except (Interrupted, SystemExit) as error:
        # Lightning answers a Ctrl-C outside of the training loop with SystemExit, and from then on ignores the signal.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from error
    log.info("trained for %.1f s", time.perf_counter() - started)


def finish(
    trainer: "L.Trainer", module: "InstructionTuner", run: Run, mixture: Prepared, training: dict[str, Any]
) -> None:
    """Exports the model; the facts of the training come last of all, because with them it counts as done."""
    from ecomgpt.model.export import export

    weights = module.strategy.full_weights(trainer, module)
    if trainer.is_global_zero:
        export(module.language_model, weights, mixture.tokenizer, run, module.config)
        write_json(run.training_file, training)
    trainer.strategy.barrier("exported")


def facts(steps: "Steps", data: "Mixture") -> dict[str, Any]:
    """The training part of ``metrics.json``, from the history of every step."""
    rows = steps.recorder.rows
    seconds = math.fsum(row["seconds"] for row in rows)
    tokens = int(sum(row["tokens"] for row in rows))
    losses = (row["loss"] for row in reversed(rows) if math.isfinite(row["loss"]))
    validation_losses = (row["validation_loss"] for row in reversed(rows) if row["validation_loss"] is not None)
    trainer = data.config.trainer
    return {
        "steps": rows[-1]["step"] if rows else 0,
        "examples": int(sum(row["examples"] for row in rows)),
        "tokens": tokens,
        "target_tokens": int(sum(row["target_tokens"] for row in rows)),
        "tokens_per_second": tokens / seconds if seconds else None,
        "seconds": seconds,
        "final_loss": next(losses, None),
        "validation_loss": next(validation_losses, None),
        "peak_memory_bytes": int(max((row["memory_bytes"] for row in rows), default=0)),
        "batch": {
            "rows_at_once": data.micro_rows,
            "accumulate": data.accumulate,
            "gradient_checkpointing": trainer.gradient_checkpointing,
            "chosen": trainer.batch,
        },
        "packing": data.totals()[1] / (len(data.plan.rows) * data.row_tokens) if data.plan.steps else None,
        "skipped_steps": steps.anomalies.skipped if steps.anomalies else 0,
    }
