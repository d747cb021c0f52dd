"""``--multirun``: every job in a process and directory of its own, so that none can end or spoil another.

Hydra's sweeper decides what the jobs are and its launcher when they run; here each job becomes a child process that knows
nothing of the sweep. A job that is finished is not run again.
"""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from ecomgpt.config import command, compose
from ecomgpt.config.roots import shipped
from ecomgpt.config.schema import Config
from ecomgpt.errors import UserError
from ecomgpt.rundir import Run, now, open_run, read_json, write_json

SHARED = "ECOMGPT_SWEEP_SHARED"
LONGEST = 120
SEPARATE = re.compile(r"[^A-Za-z0-9._-]+")


def sweep(overrides: list[str], roots: list[Path]) -> int:
    """Runs all jobs of a sweep that are not done yet.

    Args:
        overrides: The command line's arguments; some list several values.
        roots: From `ecomgpt.config.files.search_roots`.

    Returns:
        0 if every job is done, else 1.

    Raises:
        UserError: For mistakes in the command.
    """
    found = command.problems(overrides, roots, multirun=True)
    if found:
        raise UserError(*found)
    given = dict(item.split("=", 1) for item in overrides if "=" in item)
    name = given.get("name") or _name(overrides)
    # Launchers may start jobs in other processes; what all jobs share need not stand in their names.
    os.environ[SHARED] = json.dumps([item for item in command.opened(overrides) if "," not in item])
    folder = Path(given.get("paths.output") or "multirun").expanduser().absolute() / name
    own = [item for item in overrides if item.split("=", 1)[0] not in ("name", "paths.output")]
    compose.register()
    before, sys.argv = sys.argv, [
        "ecomgpt", "--multirun", *command.opened(own), *compose.searchpath(roots),
        f"hydra.sweep.dir='{folder}'", "hydra.sweep.subdir=.", "hydra.output_subdir=null",
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        hydra.main(config_path=str(shipped("conf")), config_name="config", version_base="1.3")(_job)()
    except OSError as error:
        raise UserError(f"paths.output: cannot write '{error.filename or folder}': {error.strerror}") from error
    finally:
        sys.argv = before
    return _conclude(folder, overrides)


def _job(raw: DictConfig) -> float | None:
    """One job, called by Hydra's launcher; returns the macro average for sweepers that optimise."""
    settings = HydraConfig.get()
    overrides = list(settings.overrides.task)
    folder = Path(settings.sweep.dir)
    shared = json.loads(os.environ.get(SHARED, "[]"))
    name = _name([item for item in overrides if item not in shared])
    run = Run(folder / name)
    print(f"\njob {settings.job.num}: {' '.join(overrides) or 'no overrides'}", flush=True)
    try:
        # Settled in time of the launch: the configuration's own values are for single runs.
        with open_dict(raw):
            OmegaConf.update(raw, "name", name)
            OmegaConf.update(raw, "paths.output", str(folder))
        config = compose.checked(raw)
        if run.status().get("state") == "done" and not config.overwrite:
            print(f"  done already: {run.path}", flush=True)
        else:
            _run(config, overrides)
    except UserError as error:
        run.path.mkdir(parents=True, exist_ok=True)
        run.update(state="failed", stage="start", error=str(error), started=run.status().get("started") or now(), finished=now())
        print(f"  failed: {error}", file=sys.stderr)
    write_json(run.path / "overrides.json", overrides)
    average = read_json(run.metrics_file).get("averages", {}).get("all", {}).get("metrics", {}).get("primary", {})
    return average.get("value")


def _run(config: Config, overrides: list[str]) -> None:
    run = open_run(config, overrides)
    child = subprocess.Popen([sys.executable, "-m", "ecomgpt.worker", str(run.path)])
    try:
        code = child.wait()
    except KeyboardInterrupt:
        child.wait()
        raise
    status = run.status()
    if code and status.get("state") == "running":
        cause = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        run.update(state="failed", error=cause, finished=now())
    if code:
        print(f"  failed: {run.status().get('error')}", file=sys.stderr)


def _conclude(folder: Path, overrides: list[str]) -> int:
    """Writes ``sweep.json`` and ``results.csv`` and says what failed."""
    jobs = []
    for path in sorted(folder.glob("*/overrides.json")):
        status = Run(path.parent).status()
        jobs.append(
            {"name": path.parent.name, "overrides": json.loads(path.read_text()), "state": status.get("state"), "error": status.get("error")}
        )
    write_json(folder / "sweep.json", {"command": shlex.join(["python", "-m", "ecomgpt", "--multirun", *overrides]), "jobs": jobs})
    _results(folder, jobs)
    failed = [job for job in jobs if job["state"] != "done"]
    for job in failed:
        print(f"failed: {job['name']}: {job['error']}", file=sys.stderr)
    print(f"\n{len(jobs) - len(failed)} of {len(jobs)} jobs done: {folder}")
    return 1 if failed else 0


def _results(folder: Path, jobs: list[dict[str, Any]]) -> None:
    """One row a job and task."""
    with (folder / "results.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["job", "overrides", "task", "n", "metric", "value", "low", "high"])
        for job in jobs:
            for task, entry in read_json(folder / job["name"] / "metrics.json").get("tasks", {}).items():
                for metric, score in entry["metrics"].items():
                    writer.writerow(
                        [job["name"], " ".join(job["overrides"]), task, entry["n"], metric, score["value"], score["low"], score["high"]]
                    )


def _name(overrides: list[str]) -> str:
    """A directory name from overrides, without ``=``, which Hydra's grammar does not take in a path."""
    wanted = [item for item in overrides if not item.startswith(("name=", "paths.", "overwrite="))]
    name = SEPARATE.sub("-", "_".join(sorted(wanted))).strip("-") or "default"
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{blake2b(name.encode(), digest_size=4).hexdigest()}"
