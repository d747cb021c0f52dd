"""Starts a job and keeps ``status.json`` true, whatever becomes of it."""

import signal
import sys
import traceback
from collections.abc import Sequence

from ecomgpt import torchrun
from ecomgpt.config.schema import Config
from ecomgpt.errors import JobFailure, UserError
from ecomgpt.job import IN_PLACE, job_function
from ecomgpt.rundir import Run, existing_run, log, log_to, now, open_run

PREEMPTION = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""Signals by which clusters announce that a job will be stopped; SLURM's is what ``--signal`` says."""


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
        return torchrun.follow(config)
    if config.job.name in IN_PLACE:
        heed_preemption()  # job=plan may have a trial running, which must not stay behind.
        function(config, existing_run(config.run)[0] if config.run else None)
        return 0
    from ecomgpt.strategy.batch import settle

    with torchrun.leading():
        chosen = settle(config)
        preflight(config)
        if chosen:
            print(f"  {chosen}", flush=True)
        run = open_run(config, command)
        torchrun.tell_run(run)
        return execute(config, run)


def preflight(config: Config) -> None:
    """Refuses, before any work, a run whose weights or data are absent or which can't fit.

    Raises:
        UserError: With everything that is missing.
    """
    if config.trainer.nodes > 1 and config.job.name in ("run", "fit") and not torchrun.joined():
        raise UserError(torchrun.howto(config))
    if config.job.name != "build":
        from ecomgpt.needs import require

        require(config)


def execute(config: Config, run: Run) -> int:
    """Runs the job in this process and keeps ``status.json`` true, whatever happens."""
    log_to(run)
    heed_preemption()
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


class Preempted(KeyboardInterrupt):
    """The job will be stopped; told apart from Ctrl-C, whose second time means: now."""


def heed_preemption() -> None:
    """A preempted job ends like Ctrl-C: with a checkpoint and a state that the next start continues."""
    for number in PREEMPTION:
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: object) -> None:
    raise Preempted
