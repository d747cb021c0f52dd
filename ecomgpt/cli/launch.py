"""The one way to start a job: for the command, for Python, for a sweep's jobs and under torchrun."""

import dataclasses
import os
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from ecomgpt.common.errors import JobFailure, UserError, cause_of
from ecomgpt.common.log import log, log_to, now
from ecomgpt.config.flat import differences
from ecomgpt.config.schema import KEYS, Config
from ecomgpt.job import IN_PLACE, job_function
from ecomgpt.plan.batch import choose_batch
from ecomgpt.plan.preflight import require
from ecomgpt.runtime import torchrun
from ecomgpt.runtime.directory import Run, open_run
from ecomgpt.runtime.signals import preemptible


def run_here(config: Config, run: Run) -> None:
    """Runs the job in this process, with its log in the run directory."""
    log_to(run.logs)
    with preemptible():
        execute(config, run)


def start(config: Config, command: Sequence[str], execution: Callable[[Config, Run], None] = run_here) -> Run | None:
    """Runs one job to its end.

    Args:
        config: The checked configuration.
        command: The command line's arguments, for the record.
        execution: Runs the job once its directory is open; a sweep gives a child process to each.

    Returns:
        The run directory that the job worked in; None where it had none.

    Raises:
        UserError: For mistakes in command, configuration or input.
        JobFailure: If the job failed.
        KeyboardInterrupt: If it was interrupted; its message says how to continue.
    """
    if torchrun.joined() and torchrun.rank() > 0:
        follow(config)
        return None
    if config.job.name in IN_PLACE:
        run = Run(Path(config.run).absolute()) if config.run else None
        if run:
            run.config()  # Refuses a folder that is no run.
        with preemptible():  # job=plan may have a trial running, which must not stay behind.
            job_function(config.job.name)(config, run)
        return run
    with torchrun.leading():
        chosen = choose_batch(config)
        preflight(config)
        if chosen:
            print(f"  {chosen}", flush=True)
        run = open_run(config, command)
        torchrun.publish(torchrun.RUN, str(run.path))
        execution(config, run)
        return run


def preflight(config: Config) -> None:
    """Refuses, before any work, a run whose weights or data are absent or which can't fit.

    Raises:
        UserError: With everything that is missing.
    """
    if config.trainer.nodes > 1 and config.job.name in ("run", "fit") and not torchrun.joined():
        raise UserError(torchrun.usage(config))
    if config.job.name != "build":
        require(config)


def execute(config: Config, run: Run) -> None:
    """Runs the job and keeps ``status.json`` true, whatever happens."""
    run.update(pid=os.getpid())
    try:
        job_function(config.job.name)(config, run)
    except UserError as error:
        log.error("%s", error)
        run.update(state="failed", error=str(error), finished=now())
        raise
    except KeyboardInterrupt:
        run.update(state="interrupted", error=None, finished=now())
        raise KeyboardInterrupt(f"The same command with name={config.name} continues.") from None
    except Exception as error:
        log.error("%s", traceback.format_exc())
        run.update(state="failed", error=cause_of(error), finished=now())
        failure = JobFailure(cause_of(error))
        failure.add_note(f"The whole story: {run.logs / 'run.log'}")
        raise failure from error
    except BaseException:  # Such as SystemExit, where whoever read the output is gone (`| head`).
        run.update(state="interrupted", error=None, finished=now())
        raise
    run.update(state="done", stage="done", error=None, finished=now())


def follow(config: Config) -> None:
    """The part of every process under torchrun but the first.

    Raises:
        SystemExit: If process 0 has failed and told the user why.
        UserError: If this process was started with another command or can't see the run.
        JobFailure: If training failed here.
    """
    if config.job.name not in ("run", "fit"):
        return
    path = torchrun.wait(torchrun.RUN)
    if path == torchrun.FAILED:
        raise SystemExit(2)
    if not (Path(path) / "config.yaml").is_file():
        raise UserError(
            f"paths.output: process 0 works in '{path}', which process {torchrun.rank()} does not see; "
            "all machines must share it"
        )
    run = Run(Path(path))
    _require_same_command(config, run.config())
    log_to(run.logs, process=torchrun.rank())
    word = torchrun.wait(torchrun.BUILT)
    if word == torchrun.FAILED:
        raise SystemExit(1)
    if word != torchrun.TRAIN:
        return
    from ecomgpt.job.fit import follower

    try:
        with preemptible():
            follower(config, run)
    except UserError:
        raise
    except Exception as error:
        log.error("%s", traceback.format_exc())
        raise JobFailure(f"process {torchrun.rank()}: {cause_of(error)}") from error


def _require_same_command(own: Config, leader: Config) -> None:
    """All processes must have been given the same command; only where things lie may differ between machines."""
    if leader.trainer.batch == "auto":
        # What process 0 has chosen holds for all.
        own.trainer.micro_rows = leader.trainer.micro_rows
        own.trainer.gradient_checkpointing = leader.trainer.gradient_checkpointing
    free = {name for name, key in KEYS.items() if key.says("per_machine")}
    found = list(differences(dataclasses.asdict(leader), dataclasses.asdict(own), free))
    if found:
        raise UserError("the machines were started with different commands:", *found)
