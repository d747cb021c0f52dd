"""Starts a job and keeps ``status.json`` true, whatever becomes of it."""

import dataclasses
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from ecomgpt.common.errors import JobFailure, UserError
from ecomgpt.common.log import log, log_to, now
from ecomgpt.config.flat import differences
from ecomgpt.config.schema import Config
from ecomgpt.job import IN_PLACE, job_function
from ecomgpt.run import torchrun
from ecomgpt.run.directory import Run, existing_run, open_run
from ecomgpt.run.signals import install_signal_handlers


def start(config: Config, command: Sequence[str]) -> int:
    """Runs one job to its end.

    Args:
        config: The checked configuration.
        command: The command line's arguments, for the record.

    Returns:
        The exit code.

    Raises:
        UserError: For mistakes in command, configuration or input.
    """
    function = job_function(config.job.name)
    if torchrun.joined() and torchrun.rank() > 0:
        return follow(config)
    if config.job.name in IN_PLACE:
        install_signal_handlers()  # job=plan may have a trial running, which must not stay behind.
        function(config, existing_run(config.run)[0] if config.run else None)
        return 0
    from ecomgpt.plan.batch import choose_batch

    with torchrun.leading():
        chosen = choose_batch(config)
        preflight(config)
        if chosen:
            print(f"  {chosen}", flush=True)
        run = open_run(config, command)
        torchrun.publish_run_dir(run)
        return execute(config, run)


def preflight(config: Config) -> None:
    """Refuses, before any work, a run whose weights or data are absent or which can't fit.

    Raises:
        UserError: With everything that is missing.
    """
    if config.trainer.nodes > 1 and config.job.name in ("run", "fit") and not torchrun.joined():
        raise UserError(torchrun.usage(config))
    if config.job.name != "build":
        from ecomgpt.plan.preflight import require

        require(config)


def execute(config: Config, run: Run) -> int:
    """Runs the job in this process and keeps ``status.json`` true, whatever happens."""
    log_to(run.logs)
    install_signal_handlers()
    try:
        job_function(config.job.name)(config, run)
    except UserError as error:
        log.error("%s", error)
        run.update(state="failed", error=str(error), finished=now())
        raise
    except KeyboardInterrupt:
        run.update(state="interrupted", error=None, finished=now())
        print(f"\nInterrupted. The same command with name={config.name} continues.", file=sys.stderr)
        return 1
    except Exception as error:
        log.error("%s", traceback.format_exc())
        cause = str(error) if isinstance(error, JobFailure) else f"{type(error).__name__}: {error}".split("\n")[0]
        run.update(state="failed", error=cause, finished=now())
        print(f"\necomgpt: the job failed: {cause}\nThe whole story: {run.logs / 'run.log'}", file=sys.stderr)
        return 1
    run.update(state="done", stage="done", error=None, finished=now())
    return 0


def follow(config: Config) -> int:
    """The part of every process but the first.

    Returns:
        The exit code.
    """
    if config.job.name not in ("run", "fit"):
        return 0
    path = torchrun.wait(torchrun.RUN)
    if path == torchrun.FAILED:
        return 2
    if not (Path(path) / "config.yaml").is_file():
        raise UserError(
            f"paths.output: process 0 works in '{path}', which process {torchrun.rank()} does not see; all machines must share it"
        )
    run, leader = existing_run(path)
    _same(config, leader)
    log_to(run.logs, process=torchrun.rank())
    word = torchrun.wait(torchrun.BUILT)
    if word == torchrun.FAILED:
        return 1
    return _train_with(config, run) if word == torchrun.TRAIN else 0


def _train_with(config: Config, run: Run) -> int:
    from ecomgpt.job.fit import follower

    install_signal_handlers()
    try:
        follower(config, run)
    except KeyboardInterrupt:
        return 1
    except UserError:
        raise
    except Exception as error:
        log.error("%s", traceback.format_exc())
        print(f"process {torchrun.rank()}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _same(own: Config, leader: Config) -> None:
    """All processes must have been given the same command; only where things lie may differ between machines."""
    spread = ("name", "paths")
    if leader.trainer.batch == "auto":
        # What process 0 has chosen holds for all.
        own.trainer.micro_rows, own.trainer.gradient_checkpointing = (
            leader.trainer.micro_rows,
            leader.trainer.gradient_checkpointing,
        )
    found = list(differences(dataclasses.asdict(leader), dataclasses.asdict(own), free=spread))
    if found:
        raise UserError("the machines were started with different commands:", *found)
