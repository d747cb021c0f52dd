"""A sweep's directory: which jobs it has, in which state they are, and all scores in one table."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecomgpt.rundir import Run, alive, read_json, write_json
from ecomgpt.sweep.plan import Sweep

COLUMNS = ("job", "overrides", "arm", "task", "language", "family", "relation", "n", "metric", "value", "low", "high")


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


def jobs(sweep: Sweep) -> list[Job]:
    """The planned jobs in order, then those that the directory holds from earlier commands or a sweeper that draws."""
    planned = dict(zip(sweep.names, sweep.jobs or [], strict=True))
    found = {path.parent.name: path for path in sorted(sweep.folder.glob("*/overrides.json"))}
    return [_job(sweep.folder, name, planned[name]) for name in planned] + [
        _job(sweep.folder, name, list(_read(path))) for name, path in found.items() if name not in planned
    ]


def _job(folder: Path, name: str, overrides: list[str]) -> Job:
    return Job(name, overrides, Run(folder / name).status())


def _read(path: Path) -> list[str]:
    import json

    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return value if isinstance(value, list) else []


def settle(sweep: Sweep) -> None:
    """Marks jobs as failed that say they run, but whose process is gone: killed with the sweep itself, for example."""
    for job in jobs(sweep):
        if job.state == "running" and not alive(job.status):
            Run(sweep.folder / job.name).update(state="failed", error="its process is gone; it was killed")


def write(sweep: Sweep) -> list[Job]:
    """Writes ``sweep.json`` and ``results.csv``.

    Returns:
        All jobs.
    """
    everything = jobs(sweep)
    entries = [
        {"name": job.name, "overrides": job.overrides, "state": job.state, "error": job.status.get("error")} for job in everything
    ]
    write_json(sweep.folder / "sweep.json", {"command": sweep.command, "jobs": entries})
    temporary = sweep.folder / ".results.csv"
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for job in everything:
            writer.writerows(_rows(sweep.folder, job))
    temporary.replace(sweep.folder / "results.csv")
    return everything


def _rows(folder: Path, job: Job) -> Iterator[dict[str, Any]]:
    """One row a task and metric, of the job's model and of the same model before training."""
    metrics = read_json(folder / job.name / "metrics.json")
    for arm, scores in ((job.name, metrics), ("untrained", metrics.get("untrained", {}))):
        for task, entry in scores.get("tasks", {}).items():
            for metric, score in entry["metrics"].items():
                yield {
                    "job": job.name, "overrides": " ".join(job.overrides), "arm": arm if arm == "untrained" else "trained",
                    "task": task, "n": entry["n"], "metric": metric, **{key: score.get(key) for key in ("value", "low", "high")},
                    **{key: entry.get(key, "") for key in ("language", "family", "relation")},
                }
