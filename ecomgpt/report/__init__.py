"""Reports: `report.html`, `report.md`, `results.csv`, `table.tex` and `figures/*.{png,svg}`, and a table for the terminal.

Of a run: `load` reads its directory, `findings` compares two arms, `tables` and `figures` arrange what is shown, `page` writes
the files, `terminal` prints. Of several runs, a sweep's for example: `study`. Nothing here computes a score: every number comes
from the runs' own files, or, where seeds are pooled, from `ecomgpt.eval`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import ConsoleRenderable


def write_report(run_dir: Path, example_rows: int = 10) -> Path:
    """Write the report of one run into its directory and return the path of the HTML page.

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


def write_study(
    entries: Sequence[str | Path], folder: Path, reference: str | None = None, title: str = ""
) -> ConsoleRenderable:
    """Write the report of several runs into ``folder``, with `comparison.json` for other programs.

    Args:
        entries: Run directories, and sweep directories for all their runs.
        folder: Where to write.
        reference: The arm to hold the others against: its label, one of its run directories, or ``untrained``; None for the
            first one without atomic tasks, else the first.
        title: Of the page; empty for the folders' names.

    Returns:
        The answer and the tables, for ``rich.print``.

    Raises:
        UserError: if an entry is neither, a file is broken, or no arm is called so.
    """
    from ecomgpt.report.study.page import write
    from ecomgpt.report.study.terminal import StudySummary

    return StudySummary(write(entries, folder, reference, title), folder / "report.html")


def study_unchanged(entries: Sequence[str | Path], folder: Path, reference: str | None = None) -> str | None:
    """The answer of the report that `write_study` left in ``folder``, if nothing that it depends on has changed, else None."""
    from ecomgpt.report.study.page import unchanged

    return unchanged(entries, folder, reference)
