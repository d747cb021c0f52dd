"""job=report: writes the report of a run again, from its files alone."""

from ecomgpt.config.schema import Config
from ecomgpt.report import summary, write_report
from ecomgpt.rundir import Run


def main(config: Config, run: Run) -> None:
    """Reports an existing run."""
    _write(run)


def write(run: Run) -> None:
    """The report as the last stage of a job."""
    with run.stage("report"):
        _write(run)


def _write(run: Run) -> None:
    from rich.console import Console

    write_report(run.path)
    Console().print(summary(run.path))
