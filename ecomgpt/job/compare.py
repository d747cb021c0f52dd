"""job=compare: two evaluated runs on the same rows, task by task, with a paired bootstrap and p-values corrected over the tasks."""

from typing import Any

from ecomgpt.config.schema import Config
from ecomgpt.errors import UserError
from ecomgpt.eval.compare import Difference, compare
from ecomgpt.eval.predictions import read_answers
from ecomgpt.eval.score import DIGITS
from ecomgpt.rundir import Run, read_json, settled, write_json


def main(config: Config, run: Run) -> None:
    """Prints how ``run`` differs from ``against`` and writes it to ``compare/<against>.json`` of the run."""
    from rich.console import Console

    assert config.against is not None  # A rule of the configuration.
    run, other = settled(str(run.path)), settled(config.against)
    found = between(run, other)
    file = run.path / "compare" / f"{other.path.name}.json"
    keys = ("metric", "first", "second", "value", "low", "high", "p", "p_holm")
    plain = {task: {key: _rounded(getattr(one, key)) for key in keys} for task, one in found.items()}
    write_json(file, {"first": str(other.path), "second": str(run.path), "tasks": plain})
    Console().print(_table(found, run, other))
    print(f"Written to {file}")


def between(run: Run, other: Run) -> dict[str, Difference]:
    """How ``run`` differs from ``other`` on the tasks that both answered, each by the run's metric of record.

    Raises:
        UserError: If they have no task in common, or answered different rows of one.
    """
    tasks = read_json(run.metrics_file).get("tasks", {})
    shared = [name for name in tasks if name in read_json(other.metrics_file).get("tasks", {})]
    if not shared:
        raise UserError(f"against: '{run.path}' and '{other.path}' have no evaluated task in common; evaluate both with one suite")
    first, second = ({name: read_answers(one.predictions / f"{name}.jsonl") for name in shared} for one in (other, run))
    return compare(first, second, {name: tasks[name]["primary"] for name in shared})


def _rounded(value: Any) -> Any:
    return round(value, DIGITS) if isinstance(value, float) else value


def _table(found: dict[str, Difference], run: Run, other: Run) -> Any:
    from rich.table import Table
    from rich.text import Text

    from ecomgpt.report.text import metric_name, points, probability

    table = Table(caption="Points; 95 % intervals of the difference; p-values by Holm's method over the tasks.", caption_justify="left")
    for name, side in (("task", "left"), ("metric", "left"), (other.path.name, "right"), (run.path.name, "right"), ("difference", "right"), ("95 % interval", "right"), ("p", "right")):
        table.add_column(Text(name), justify=side)  # type: ignore[arg-type]
    for task, one in found.items():
        interval = f"[{points(one.low, True)}, {points(one.high, True)}]"
        cells = (task, metric_name(one.metric), points(one.first), points(one.second), points(one.value, True), interval, probability(one.p_holm))
        table.add_row(*map(Text, cells), style="bold" if one.p_holm < 0.05 else "")
    return table
