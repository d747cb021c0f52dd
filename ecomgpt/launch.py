"""Starts a job, and the process groups that stages of it need.

The command's own process never joins a process group: it starts ``torch.distributed.run`` on `ecomgpt.worker`, which does
not import Hydra and reads the resolved configuration from the run directory. Lightning's own launcher would execute the
command line again in every child, ``--multirun`` included (lightning #11617, hydra #2070).
"""

import contextlib
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence

from ecomgpt.config.schema import Config
from ecomgpt.errors import UserError
from ecomgpt.job import IN_PLACE, job_function
from ecomgpt.rundir import Run, existing_run, log, log_to, now, open_run

# A launcher above us may have set these; a process group of our own must not inherit them.
RANK_VARIABLES = (
    "RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR",
    "MASTER_PORT", "TORCHELASTIC_RUN_ID",
)


class GroupFailure(RuntimeError):
    """A process group ended before its work was done."""


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
    if config.job.name in IN_PLACE:
        function(config, existing_run(config.run)[0] if config.run else None)
        return 0
    preflight(config)
    return execute(config, open_run(config, command))


def preflight(config: Config) -> None:
    """Refuses, before any work, a run whose weights or data are absent or which can't fit.

    Raises:
        UserError: With everything that is missing.
    """
    if config.job.name != "build":
        from ecomgpt.needs import require

        require(config)


def execute(config: Config, run: Run) -> int:
    """Runs the job in this process and keeps ``status.json`` true, whatever happens."""
    log_to(run)
    # A preempted job (SIGTERM) ends like Ctrl-C: with a checkpoint and a state that the next start continues.
    signal.signal(signal.SIGTERM, interrupt)
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
        cause = f"{type(error).__name__}: {error}".split("\n")[0]
        run.update(state="failed", error=cause, finished=now())
        print(f"\necomgpt: the job failed: {cause}\nThe whole story: {run.logs / 'run.log'}", file=sys.stderr)
        return 1
    run.update(state="done", stage="done", error=None, finished=now())
    return 0


def group(config: Config, run: Run, function: str) -> None:
    """Runs ``module:function`` of a job in ``trainer.devices`` processes and waits for them.

    Raises:
        GroupFailure: If a process ended with an error; its message is in ``status.json``.
        KeyboardInterrupt: If the group was interrupted.
    """
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={config.trainer.devices}",
        "-m", "ecomgpt.worker", str(run.path), function,
    ]
    environment = {name: value for name, value in os.environ.items() if name not in RANK_VARIABLES}
    threads = config.trainer.threads or max(1, (os.cpu_count() or 1) // config.trainer.devices)
    environment["OMP_NUM_THREADS"] = str(threads)
    environment["ECOMGPT_PARENT"] = str(os.getpid())
    # A session of its own: the terminal's Ctrl-C must reach the training processes once and not their launcher, which
    # would kill them after half a minute; a step of a large model and its checkpoint take longer.
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    interrupted = False
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            _signal_children(process.pid, signal.SIGKILL if interrupted else signal.SIGINT)
            interrupted = True
    if interrupted or (code == 0 and run.status().get("state") == "interrupted"):
        raise KeyboardInterrupt
    if code:
        raise GroupFailure(run.status().get("error") or f"a training process ended with code {code}")


def _signal_children(launcher: int, number: signal.Signals) -> None:
    """Sends a signal to the training processes; their launcher ends when they do."""
    import psutil

    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(launcher).children():
            with contextlib.suppress(psutil.Error):
                child.send_signal(number)


def interrupt(number: int, frame: object) -> None:
    """A signal handler that treats SIGTERM as Ctrl-C."""
    raise KeyboardInterrupt
