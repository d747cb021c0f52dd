"""Runs a sweep: the jobs that are not done yet, a live table of all, and one report at the end."""

import json
import os
import sys
from pathlib import Path

import hydra

from ecomgpt.config import compose
from ecomgpt.config.roots import shipped
from ecomgpt.errors import UserError
from ecomgpt.launch import heed_preemption
from ecomgpt.sweep import results
from ecomgpt.sweep.job import CONSOLE, SHARED, run_job
from ecomgpt.sweep.plan import Sweep, hydra_arguments, plan
from ecomgpt.sweep.table import Watch


def sweep(overrides: list[str], roots: list[Path]) -> int:
    """Runs all jobs of a sweep that are not done yet, or shows them (``preview=true``).

    Args:
        overrides: The command line's arguments; some list several values.
        roots: From `ecomgpt.config.files.search_roots`.

    Returns:
        0 if every job is done, else 1.

    Raises:
        UserError: For mistakes in the command.
    """
    wanted = plan(overrides, roots)
    if any(item.split("=", 1) in (["preview", "true"], ["preview", "True"], ["preview", "1"]) for item in overrides):
        from ecomgpt.sweep.preview import preview

        preview(wanted, roots)
        return 0
    try:
        wanted.folder.mkdir(parents=True, exist_ok=True)
        results.settle(wanted)
        _tell_start(wanted)
        interrupted = _launch(wanted, roots)
    except OSError as error:
        raise UserError(f"paths.output: cannot write '{error.filename or wanted.folder}': {error.strerror}") from error
    return _conclude(wanted, interrupted)


def _tell_start(wanted: Sweep) -> None:
    states = [job.state for job in results.jobs(wanted)]
    number = len(wanted.jobs) if wanted.jobs is not None else "as many as the sweeper draws:"
    print(f"{number} jobs, {states.count('done')} done already: {wanted.folder}", flush=True)


def _launch(wanted: Sweep, roots: list[Path]) -> bool:
    """Lets Hydra run the jobs; returns whether it was interrupted."""
    compose.register()
    # Launchers may start jobs in other processes.
    os.environ[SHARED] = json.dumps(wanted.shared)
    before, sys.argv = sys.argv, hydra_arguments(wanted, roots)
    heed_preemption()
    try:
        with Watch(wanted):
            hydra.main(config_path=str(shipped("conf")), config_name="config", version_base="1.3")(run_job)()
    except KeyboardInterrupt:
        return True
    finally:
        sys.argv = before
    return False


def _conclude(wanted: Sweep, interrupted: bool) -> int:
    """Writes ``sweep.json``, ``results.csv`` and the report, and says what failed."""
    everything = results.write(wanted)
    done = [job for job in everything if job.state == "done"]
    for job in everything:
        if job.state == "failed":
            cause = str(job.status.get("error") or "unknown").replace("\n", "\n    ")
            print(f"failed: {job.name}: {cause}\n    all it printed: {wanted.folder / job.name / 'logs' / CONSOLE}", file=sys.stderr)
    if interrupted:
        print("\nInterrupted. The same command continues.", file=sys.stderr)
    print(f"\n{len(done)} of {len(everything)} jobs done: {wanted.folder}")
    reported = _report(wanted)
    return 0 if len(done) == len(everything) and not interrupted and reported else 1


def _report(wanted: Sweep) -> bool:
    """Writes the sweep's report, unless it is there already and nothing has changed, and prints the answer."""
    from rich.console import Console
    from rich.text import Text

    from ecomgpt.report import study_unchanged, write_study

    console = Console()
    try:
        answer = study_unchanged([wanted.folder], wanted.folder)
        if answer is None:
            console.print(write_study([wanted.folder], wanted.folder))
        else:
            console.print(Text(f"\n{answer}\n", style="bold"), Text(f"Report: {wanted.folder / 'report.html'}"), sep="\n", soft_wrap=True)
    except UserError as error:
        print(f"the sweep's report can't be written: {error}", file=sys.stderr)
        return False
    return True
