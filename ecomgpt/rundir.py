"""A run's directory: made or continued, its state, its configuration and what it ran on."""

import contextlib
import dataclasses
import json
import logging
import os
import platform
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ecomgpt.config.compose import load
from ecomgpt.config.schema import Config
from ecomgpt.errors import UserError

PACKAGES = (
    "ecomgpt",
    "torch",
    "lightning",
    "transformers",
    "tokenizers",
    "hydra-core",
    "datasets",
    "deepspeed",
    "peft",
    "torchmetrics",
)
# What may differ when a run is continued, because its numbers do not depend on it: where things lie, how much is shown, how
# the work is spread, and how often it is saved. Whether a strategy can read the checkpoint is checked when there is one.
FREE = (
    "overwrite",
    "preview",
    "measure",
    "name",
    "paths",
    "data.processes",
    "strategy",
    "trainer.devices",
    "trainer.nodes",
    "trainer.accelerator",
    "trainer.micro_rows",
    "trainer.gradient_checkpointing",
    "trainer.threads",
    "trainer.log_every",
    "trainer.loggers",
    "trainer.checkpoint_every",
    "trainer.keep_checkpoints",
    "trainer.max_minutes",
    "trainer.on_anomaly",
    "trainer.spike",
)

log = logging.getLogger("ecomgpt")


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

    def status(self) -> dict[str, Any]:
        """The contents of ``status.json``; empty where there is none or it is torn."""
        try:
            status = json.loads(self.status_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return status if isinstance(status, dict) else {}

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
            f"name: the run '{run.path}' is finished; give another name=, or overwrite=true to delete it and start again"
        )
    elif run.config_file.is_file():
        same(config, run)


def existing_run(path: str) -> tuple[Run, Config]:
    """An existing run directory and its configuration.

    Raises:
        UserError: If it is none.
    """
    run = Run(Path(path).absolute())
    return run, load(run.config_file)


def settled(path: str) -> Run:
    """An existing run directory in which no process works.

    Raises:
        UserError: If a process does.
    """
    run = Run(Path(path).absolute())
    status = run.status()
    if status.get("state") == "running" and alive(status):
        stage = f" (stage '{status['stage']}')" if status.get("stage") else ""
        raise UserError(f"run: process {status['pid']} is still working in '{run.path}'{stage}; wait until it is done")
    return run


def trained_run(path: str) -> Run:
    """As `settled`, with a trained model in it.

    Raises:
        UserError: If there is none.
    """
    run = settled(path)
    if not (run.model / "config.json").is_file():
        if run.metrics_file.is_file():
            raise UserError(
                f"run: '{run.path}' holds predictions and no model; job=rescore run={path} scores them again"
            )
        raise UserError(f"run: '{run.path}' holds no trained model; continue it first: job=fit name={run.path.name}")
    return run


def save(config: Config, run: Run) -> None:
    """Writes the resolved configuration; it holds no secrets, because keys come from the environment alone."""
    write_text(run.config_file, OmegaConf.to_yaml(OmegaConf.structured(config)))


def environment(config: Config, command: Sequence[str]) -> dict[str, Any]:
    """What the run ran on: commit, versions, hardware, seed and command line."""
    import psutil

    versions = {}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "command": shlex.join(["python", "-m", "ecomgpt", *command]),
        "seed": config.seed,
        "git_commit": _commit(),
        "python": platform.python_version(),
        "packages": versions,
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": _gpus(),
    }


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where the file is absent."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def overrides_of(run: Path) -> list[str]:
    """What a sweep's command said of one of its runs; empty where that was not kept, or can't be read."""
    try:
        value = json.loads((run / "overrides.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return list(map(str, value)) if isinstance(value, list) else []


def write_json(path: Path, value: Any) -> None:
    """Writes JSON in one step: a reader or a crash never leaves half a file."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """As `write_json`, for text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


def now() -> str:
    """Local time with its zone, to the second."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


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
    found = list(differences(dataclasses.asdict(load(run.config_file)), dataclasses.asdict(config), FREE))
    if found:
        raise UserError(
            "\n".join(
                [
                    f"name: '{run.path}' was started with another configuration; give another name=, overwrite=true, "
                    "or the old values:",
                    *found,
                ]
            )
        )


def differences(old: Any, new: Any, free: Sequence[str], key: str = "") -> Iterator[str]:
    """Sentences on where two nested dictionaries differ, apart from the keys that may."""
    if key in free:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            yield from differences(old.get(name), new.get(name), free, f"{key}.{name}" if key else name)
    elif old != new:
        yield f"{key} was {'null' if old is None else old}, is now {'null' if new is None else new}"


def _free_name(root: Path) -> str:
    stem = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    names = (stem, *(f"{stem}_{number}" for number in range(2, 1000)))
    return next(name for name in names if not (root / name).exists())


def _commit() -> str | None:
    """The commit of the checkout that runs, with a plus where it holds uncommitted changes; None for a wheel."""
    folder = Path(__file__).resolve().parent
    try:
        git = ["git", "-C", str(folder)]
        inside = subprocess.run([*git, "ls-files", "--error-unmatch", __file__], capture_output=True, timeout=10)
        if inside.returncode:
            return None
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10).stdout.strip()
        dirty = subprocess.run(
            [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=10
        ).stdout
        return commit + ("+" if dirty.strip() else "") if commit else None
    except (OSError, subprocess.SubprocessError):
        return None


def _cpu() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().split("\n"):
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _gpus() -> list[str]:
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in found.stdout.split("\n") if line.strip()] if found.returncode == 0 else []


def log_to(run: Run, process: int = 0) -> None:
    """Sends the package's log to ``logs/run.log``; the screen belongs to progress and tables.

    Args:
        run: Whose log.
        process: Number of this process in its group; all but the first log trouble alone.
    """
    handler = logging.FileHandler(run.logs / "run.log", encoding="utf-8")
    handler.setLevel(logging.WARNING if process else logging.INFO)
    who = f" [process {process}]" if process else ""
    handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s{who} %(message)s"))
    for existing in list(log.handlers):
        log.removeHandler(existing)
        existing.close()
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    log.info("command: %s", shlex.join(sys.argv))
