"""The report of a run: `report.html`, `report.md` and `figures/*.png` for people, and a table for the terminal.

`load` reads a run directory, `findings` compares two arms, `tables` and `figures` arrange what is shown, `page` writes the
files, `terminal` prints. Nothing here computes a score: every number comes from the run's own files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import ConsoleRenderable


def write_report(run_dir: Path, example_rows: int = 10) -> Path:
    """Write `report.html`, `report.md` and `figures/*.png` into ``run_dir`` and return the path of the HTML page.

    Args:
        run_dir: A run directory that holds at least `metrics.json`.
        example_rows: How many of the worst rows of a task are shown with their texts; 0 leaves all texts of rows out.

    Raises:
        UserError: if the directory or its `metrics.json` is missing or cannot be read.
    """
    from ecomgpt.report.page import write

    return write(run_dir, example_rows)


def summary(run_dir: Path) -> ConsoleRenderable:
    """The answer, the table of scores, the averages and the report's path, for ``rich.print``.

    Raises:
        UserError: if the directory or its `metrics.json` is missing or cannot be read.
    """
    from ecomgpt.report.terminal import Summary

    return Summary.of(run_dir)
