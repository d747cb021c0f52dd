"""job=report: writes the report of a run again, or one of several runs and sweeps together, from their files alone."""

from pathlib import Path

from rich.console import Console

from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import Config
from ecomgpt.reporting import write_report, write_study
from ecomgpt.runtime.directory import Run


def main(config: Config, run: Run | None) -> None:
    """Reports an existing run (``run=``), or several (``runs=``).

    The report of a sweep alone goes into its directory, one of several runs into ``<paths.output>/<name>``.
    """
    if run is not None:
        Console().print(write_report(run.path))
        return
    folders = [Path(folder).expanduser() for folder in config.runs]
    alone = folders[0] if len(folders) == 1 else None
    if alone is not None and not (alone / "sweep.json").is_file():
        Console().print(write_report(alone.absolute()))
        return
    folder = alone or Path(config.paths.output or "./outputs").expanduser() / (config.name or "report")
    if not alone and folder.is_dir() and any(folder.iterdir()) and not (folder / "report.json").is_file():
        raise UserError(f"name: '{folder}' exists and holds no report of several runs; give another name=")
    Console().print(write_study(config.runs, folder, config.reference, "" if alone else config.name or ""))


def write(run: Run) -> None:
    """The report as the last stage of a job."""
    with run.stage("report"):
        Console().print(write_report(run.path))
