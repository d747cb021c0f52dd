"""The package's log."""

import logging
import shlex
import sys
from datetime import datetime
from pathlib import Path

log = logging.getLogger("ecomgpt")


def log_to(folder: Path, process: int = 0) -> None:
    """Sends the package's log to ``<folder>/run.log``; the screen belongs to progress and tables.

    Args:
        folder: The run's ``logs/``.
        process: Number of this process in its group; all but the first log trouble alone.
    """
    handler = logging.FileHandler(folder / "run.log", encoding="utf-8")
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


def now() -> str:
    """Local time with its zone, to the second."""
    return datetime.now().astimezone().isoformat(timespec="seconds")
