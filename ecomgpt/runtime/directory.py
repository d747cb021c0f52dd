"""A run's directory: made or continued, its state, its configuration and what it ran on."""

import contextlib
import dataclasses
import json
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import clear_leftovers, write_json, write_text
from ecomgpt.common.log import log, now
from ecomgpt.config.compose import load
from ecomgpt.config.flat import differences
from ecomgpt.config.schema import KEYS, Config
from ecomgpt.runtime.environment import environment

MAY_DIFFER = frozenset(name for name, key in KEYS.items() if key.says("resume"))
"""Keys that may differ when a run is continued, because its numbers do not depend on them: where things lie, how much
is shown, how the work is spread, how often it is saved. Whether a strategy can read a checkpoint is checked later."""


class Run:
    """The files of one run; see the table in the README."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "config.yaml"
        self.status_file = path / "status.json"
        self.manifest_file = path / "data" / "manifest.json"
        self.metrics_file = path / "metrics.json"
        self.training_file = path / "training.json"
        self.checkpoints = path / "checkpoints"
        self.model = path / "model"
        self.predictions = path / "predictions"
        self.logs = path / "logs"

    def config(self) -> Config:
        """The resolved configuration that the run was started with.

        Raises:
            UserError: If the directory holds none.
        """
        return load(self.config_file)

    def status(self) -> dict[str, Any]:
        """The contents of ``status.json``; empty where there is none or it is torn."""
        with contextlib.suppress(OSError, ValueError):
            if isinstance(status := json.loads(self.status_file.read_text(encoding="utf-8")), dict):
                return status
        return {}

    def update(self, **changes: Any) -> None:
        """Changes ``status.json``; a reader never sees half of it."""
        write_json(self.status_file, {**self.status(), **changes})

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Names the part of the job that is being worked on."""
        self.update(stage=name)
        log.info("%s", name)
        yield


def open_run(config: Config, command: Sequence[str]) -> Run:
    """Makes a run's directory, or opens an unfinished one to continue it.

    Raises:
        UserError: If it is finished, in use, belongs to another configuration, or can't be written.
    """
    root = Path(config.paths.output or "./outputs").expanduser()
    name = config.name or _free_name(root)
    config.name = name
    run = Run((root / name).absolute())
    try:
        _clear(config, run)
        for folder in (run.path, run.path / "data", run.logs):
            folder.mkdir(parents=True, exist_ok=True)
        # First of all files: it is what tells a run directory from any other folder.
        run.update(
            state="running",
            stage="start",
            error=None,
            started=run.status().get("started") or now(),
            finished=None,
            pid=os.getpid(),
            host=socket.gethostname(),
        )
        save(config, run)
        write_json(run.path / "environment.json", environment(config, command))
    except OSError as error:
        raise UserError(
            f"paths.output: cannot write '{error.filename or run.path}': {error.strerror or error}; "
            "give paths.output=<a folder of yours>"
        ) from error
    return run


def _clear(config: Config, run: Run) -> None:
    """Makes sure that the directory is free, deletes what may be deleted, or refuses."""
    clear_leftovers(run.path)
    if not run.path.exists() or (run.path.is_dir() and not any(run.path.iterdir())):
        return
    status = run.status()
    if "state" not in status:
        raise UserError(f"name: '{run.path}' exists and is no run directory (no status.json); give another name=")
    if status["state"] == "running" and alive(status):
        raise UserError(f"name: process {status['pid']} is working in '{run.path}'; wait for it or stop it first")
    if config.overwrite:
        shutil.rmtree(run.path)
    elif status["state"] == "done":
        raise UserError(
            f"name: the run '{run.path}' is finished; give another name=, "
            "or overwrite=true to delete it and start again"
        )
    elif run.config_file.is_file():
        same(config, run)


def idle_run(path: str) -> Run:
    """A run directory in which no process works.

    Raises:
        UserError: If a process does.
    """
    run = Run(Path(path).absolute())
    clear_leftovers(run.path)
    status = run.status()
    if status.get("state") == "running" and alive(status):
        stage = f" (stage '{status['stage']}')" if status.get("stage") else ""
        raise UserError(f"run: process {status['pid']} is still working in '{run.path}'{stage}; wait until it is done")
    return run


def trained_run(path: str) -> Run:
    """As `idle_run`, with a trained model in it.

    Raises:
        UserError: If there is none.
    """
    run = idle_run(path)
    if not (run.model / "config.json").is_file():
        if run.metrics_file.is_file():
            raise UserError(
                f"run: '{run.path}' holds predictions and no model; job=rescore run={path} scores them again"
            )
        again = f"with the command that began it and name={run.path.name}"
        raise UserError(f"run: '{run.path}' holds no trained model; continue it first, {again}")
    return run


def save(config: Config, run: Run) -> None:
    """Writes the resolved configuration; it holds no secrets, because keys come from the environment alone."""
    write_text(run.config_file, OmegaConf.to_yaml(OmegaConf.structured(config)))


def overrides_of(run: Path) -> list[str]:
    """What a sweep's command said of one of its runs; empty where that was not kept, or can't be read."""
    with contextlib.suppress(OSError, ValueError):
        if isinstance(value := json.loads((run / "overrides.json").read_text(encoding="utf-8")), list):
            return list(map(str, value))
    return []


def alive(status: dict[str, Any]) -> bool:
    """Whether the process that wrote the status still runs; on another host its heartbeat can't be seen, so: no."""
    if status.get("host") != socket.gethostname() or not isinstance(status.get("pid"), int):
        return False
    import psutil

    try:
        process = psutil.Process(status["pid"])
        return status["pid"] != os.getpid() and any("ecomgpt" in part for part in process.cmdline())
    except psutil.Error:
        return False


def same(config: Config, run: Run) -> None:
    """Makes sure that a run was started with a configuration that may go on as this one.

    Raises:
        UserError: With every difference.
    """
    found = list(differences(dataclasses.asdict(run.config()), dataclasses.asdict(config), MAY_DIFFER))
    if found:
        what = "was started with another configuration; give another name=, overwrite=true, or the old values:"
        raise UserError("\n".join([f"name: '{run.path}' {what}", *found]))


def _free_name(root: Path) -> str:
    stem = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    names = (stem, *(f"{stem}_{number}" for number in range(2, 1000)))
    return next(name for name in names if not (root / name).exists())
