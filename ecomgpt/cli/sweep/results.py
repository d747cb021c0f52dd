"""A sweep's directory: which jobs it has, in which state they are, and all scores in one table."""

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ecomgpt.cli.sweep.plan import Sweep
from ecomgpt.common.errors import UserError
from ecomgpt.common.files import write_json, write_text
from ecomgpt.plan.configuration import configured
from ecomgpt.reporting.load import ReportedRun, load
from ecomgpt.reporting.results_csv import as_csv
from ecomgpt.runtime.directory import Run, alive, overrides_of, same


@dataclass(frozen=True)
class Job:
    """One job as it stands.

    Attributes:
        name: Of its directory.
        overrides: What its configuration changes.
        status: The contents of its ``status.json``; empty before its first start.
    """

    name: str
    overrides: list[str]
    status: dict[str, Any]

    @property
    def state(self) -> str:
        """``waiting``, or a run's state; a run whose process is gone without a word is ``failed``."""
        return str(self.status.get("state") or "waiting")

    @property
    def seconds(self) -> float | None:
        """From its first start to its end, or until now; None before its first start."""
        started, finished = self.status.get("started"), self.status.get("finished")
        if not started:
            return None
        end = datetime.fromisoformat(finished).timestamp() if finished else time.time()
        return max(0.0, end - datetime.fromisoformat(started).timestamp())


def jobs(sweep: Sweep) -> list[Job]:
    """The planned jobs in order, then those that the directory holds from earlier commands or a sweeper that draws."""
    planned = dict(zip(sweep.names, sweep.jobs or [], strict=True))
    found = [path.parent for path in sorted(sweep.folder.glob("*/overrides.json"))]
    everything = planned | {path.name: overrides_of(path) for path in found if path.name not in planned}
    return [Job(name, overrides, Run(sweep.folder / name).status()) for name, overrides in everything.items()]


def mark_dead_jobs(sweep: Sweep) -> None:
    """Marks running jobs whose process is gone as failed; they were killed with the sweep itself, for example."""
    for job in jobs(sweep):
        if job.state == "running" and not alive(job.status):
            Run(sweep.folder / job.name).update(state="failed", error="its process is gone; it was killed")


def same_configurations(sweep: Sweep, roots: list[Path]) -> None:
    """Makes sure that the jobs of earlier commands, which the sweep continues, had the same configuration.

    Raises:
        UserError: With every job that had another one.
    """
    problems: list[str] = []
    for name, overrides in zip(sweep.names, sweep.jobs or [], strict=True):
        run = Run(sweep.folder / name)
        if sorted(overrides_of(run.path)) == sorted(overrides) or not run.config_file.is_file():
            continue
        config = configured(overrides, roots)
        try:
            if not config.overwrite:
                same(config, run)
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(*problems)


def write(sweep: Sweep) -> list[Job]:
    """Writes ``sweep.json`` and ``results.csv``.

    Returns:
        All jobs.
    """
    everything = jobs(sweep)
    entries = [
        {"name": job.name, "overrides": job.overrides, "state": job.state, "error": job.status.get("error")}
        for job in everything
    ]
    write_json(sweep.folder / "sweep.json", {"command": sweep.command, "jobs": entries})
    done = [
        (job.name, " ".join(job.overrides), found)
        for job in everything
        if job.state == "done" and (found := _loaded(sweep.folder / job.name))
    ]
    write_text(sweep.folder / "results.csv", as_csv(done))
    return everything


def _loaded(folder: Path) -> ReportedRun | None:
    """A job's scores; None where it has none, or where the report will say what is wrong with them."""
    try:
        return load(folder)
    except UserError:
        return None
