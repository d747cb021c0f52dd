"""Reports: `report.html`, `report.md`, `results.csv`, `table.tex`, `comparison.json` and `figures/*.{png,svg}`.

A report is about a study: runs, gathered (`gather`, `load`) into arms (`arms`) that are compared task by task
(`comparison`, `study`). One run is a study whose arms are the model before training and the trained one. `findings`
and `notes` say it in words, `tables`, `charts` and `curves` show it, `page` and `terminal` put it together. No score
is computed here: every number comes from the runs' own files, or, where answers are compared and seeds pooled, from
`ecomgpt.eval`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import ConsoleRenderable


def write_report(run_dir: Path, example_rows: int = 10) -> ConsoleRenderable:
    """Writes the report of one run into its directory.

    Args:
        run_dir: A run directory that holds at least `metrics.json`.
        example_rows: How many of the worst rows of a task are shown with their texts; 0 leaves all texts of rows out.

    Returns:
        The answer and the tables, for ``rich.print``.

    Raises:
        UserError: If the directory or its `metrics.json` is missing, or a file is broken.
    """
    from ecomgpt.reporting.gather import single
    from ecomgpt.reporting.page import write
    from ecomgpt.reporting.terminal import Summary

    study = write(single(run_dir), Path(run_dir), example_rows=example_rows, record=False)
    return Summary(study, Path(run_dir) / "report.html")


def write_study(
    entries: Sequence[str | Path], folder: Path, reference: str | None = None, title: str = ""
) -> ConsoleRenderable:
    """Writes the report of several runs into ``folder``.

    Args:
        entries: Run directories, and sweep directories for all their runs.
        folder: Where to write.
        reference: The arm to hold the others against: its label, one of its run directories, or ``untrained``;
            None for the first one without atomic tasks, else the first.
        title: Of the page; empty for the folders' names.

    Returns:
        The answer and the tables, for ``rich.print``.

    Raises:
        UserError: If an entry is neither, a file is broken, or no arm is called so.
    """
    from ecomgpt.reporting.gather import gather
    from ecomgpt.reporting.page import write
    from ecomgpt.reporting.terminal import Summary

    return Summary(write(gather(entries, title), folder, reference), folder / "report.html")


def study_unchanged(entries: Sequence[str | Path], folder: Path, reference: str | None = None) -> str | None:
    """The answer of the report that `write_study` left in ``folder``; None if what it depends on has changed."""
    from ecomgpt.reporting.page import unchanged

    return unchanged(entries, folder, reference)
