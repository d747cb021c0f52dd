"""What a run ran on: commit, versions, hardware, seed and command line."""

import contextlib
import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ecomgpt.config.schema import Config

PACKAGES = (
    *("ecomgpt", "torch", "lightning", "transformers", "tokenizers"),
    *("hydra-core", "datasets", "deepspeed", "peft", "torchmetrics"),
)


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


def _commit() -> str | None:
    """The commit of the checkout that runs, with a plus where it holds uncommitted changes; None for a wheel."""
    git = ["git", "-C", str(Path(__file__).resolve().parent)]
    try:
        if subprocess.run([*git, "ls-files", "--error-unmatch", __file__], capture_output=True, timeout=10).returncode:
            return None
        commit, dirty = (
            subprocess.run([*git, *command], capture_output=True, text=True, timeout=10).stdout.strip()
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if dirty else "") if commit else None


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
