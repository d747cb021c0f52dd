"""Runs a sweep: the jobs that are not done yet, a live table of all, and one report at the end."""

import json
import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import hydra

from ecomgpt.cli.sweep import results
from ecomgpt.cli.sweep.job import CONSOLE, SHARED, run_job
from ecomgpt.cli.sweep.plan import Sweep, asks_preview, hydra_arguments, plan
from ecomgpt.cli.sweep.table import Watch
from ecomgpt.common.errors import UserError
from ecomgpt.config import compose
from ecomgpt.config.roots import shipped
from ecomgpt.reporting.text import visible
from ecomgpt.runtime.signals import preemptible


def sweep(overrides: list[str], roots: list[Path]) -> int:
    """Runs all jobs of a sweep that are not done yet, or shows them (``preview=true``).

    Args:
        overrides: The command line's arguments; some list several values.
        roots: From `ecomgpt.config.files.search_roots`.

    Returns:
        0 if every job is done, else 1.

    Raises:
        UserError: For mistakes in the command, and where another process runs this sweep.
    """
    wanted = plan(overrides, roots)
    if asks_preview(overrides):
        from ecomgpt.cli.sweep.preview import preview

        preview(wanted, roots)
        return 0
    try:
        wanted.folder.mkdir(parents=True, exist_ok=True)
        with _locked(wanted):
            results.mark_dead_jobs(wanted)
            results.same_configurations(wanted, roots)
            _tell_start(wanted)
            return _conclude(wanted, _launch(wanted, roots))
    except OSError as error:
        raise UserError(f"paths.output: cannot write '{error.filename or wanted.folder}': {error.strerror}") from error


def _locked(wanted: Sweep) -> AbstractContextManager[object]:
    """Keeps the sweep's directory to this process, up to the end of the context."""
    from filelock import FileLock, Timeout

    try:
        return FileLock(wanted.folder / ".sweep.lock").acquire(blocking=False)
    except Timeout:
        raise UserError(
            f"name: another process runs the sweep in '{wanted.folder}'; wait for it or stop it, or give another name="
        ) from None


def _tell_start(wanted: Sweep) -> None:
    done = sum(job.state == "done" for job in results.jobs(wanted) if wanted.holds(job.name))
    number = f"{len(wanted.jobs)} jobs" if wanted.jobs is not None else "As many jobs as the sweeper draws"
    print(f"{number}, {done} done already: {wanted.folder}", flush=True)


def _launch(wanted: Sweep, roots: list[Path]) -> str:
    """Lets Hydra run the jobs; returns why it ended before its time, or nothing."""
    compose.register()
    # Launchers may start jobs in other processes.
    os.environ[SHARED] = json.dumps(wanted.shared)
    before, sys.argv = sys.argv, hydra_arguments(wanted, roots)
    try:
        with preemptible(), Watch(wanted):
            hydra.main(config_path=str(shipped("conf")), config_name="config", version_base="1.3")(run_job)()
    except KeyboardInterrupt:
        return "Interrupted."
    except SystemExit:  # Hydra has shown the launcher's or the sweeper's own error.
        return "The launcher or the sweeper failed."
    finally:
        sys.argv = before
    return ""


def _conclude(wanted: Sweep, ended: str) -> int:
    """Writes ``sweep.json``, ``results.csv`` and the report, and says what failed."""
    everything = [job for job in results.write(wanted) if wanted.holds(job.name)]
    done = [job for job in everything if job.state == "done"]
    for job in everything:
        if job.state == "failed":
            print(f"failed: {visible(job.name)}: {_cause(job, wanted)}", file=sys.stderr)
        elif job.state == "running":
            print(f"not run: {job.name}: process {job.status.get('pid')} works on it", file=sys.stderr)
    if ended:
        print(f"\n{ended} The same command continues.", file=sys.stderr)
    print(f"\n{len(done)} of {len(everything)} jobs done: {wanted.folder}")
    reported = _report(wanted)
    return 0 if len(done) == len(everything) and not ended and reported else 1


def _cause(job: results.Job, wanted: Sweep) -> str:
    console = wanted.folder / job.name / "logs" / CONSOLE
    cause = "\n    ".join(visible(line) for line in str(job.status.get("error") or "unknown").split("\n"))
    return cause + (f"\n    all it printed: {console}" if console.is_file() else "")


def _report(wanted: Sweep) -> bool:
    """Writes the sweep's report, unless it is there already and nothing has changed, and prints the answer."""
    from rich.console import Console
    from rich.text import Text

    from ecomgpt.reporting import study_unchanged, write_study

    console = Console()
    try:
        answer = study_unchanged([wanted.folder], wanted.folder)
        if answer is None:
            console.print(write_study([wanted.folder], wanted.folder))
        else:
            console.print(
                Text(f"\n{answer}\n", style="bold"),
                Text(f"Report: {wanted.folder / 'report.html'}"),
                sep="\n",
                soft_wrap=True,
            )
    except UserError as error:
        print(f"the sweep's report can't be written: {error}", file=sys.stderr)
        return False
    return True
