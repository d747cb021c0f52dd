"""job=compare: two evaluated runs on the same rows, task by task, with a paired bootstrap and p-values corrected over the tasks."""

from ecomgpt.config.schema import Config
from ecomgpt.eval.compare import between
from ecomgpt.report.differences import differences_table
from ecomgpt.rundir import Run, settled


def main(config: Config, run: Run | None) -> None:
    """Prints how ``run_a`` differs from ``run_b``."""
    from rich.console import Console

    assert config.run_a and config.run_b  # A rule of the configuration.
    one, other = settled(config.run_a), settled(config.run_b)
    Console().print(differences_table(between(one, other), one.path.name, other.path.name))
