"""`results.csv`: every score of one or several runs, for programs. Imports nothing heavy."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from ecomgpt.eval.metrics_file import TaskResult
from ecomgpt.reporting.load import ReportedRun

COLUMNS = ("job", "overrides", "arm", "task", "language", "family", "relation", "n", "metric", "value", "low", "high")


def as_csv(runs: Sequence[tuple[str, str, ReportedRun]]) -> str:
    """One row per run, arm (trained, untrained), task and metric.

    Args:
        runs: (name, overrides, run).
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS)
    writer.writeheader()
    for name, overrides, run in runs:
        for arm, tasks in (("trained" if run.was_trained else "untrained", run.tasks), ("untrained", run.untrained)):
            for task in tasks.values():
                writer.writerows({"job": name, "overrides": overrides, "arm": arm, **row} for row in _rows(task))
    return stream.getvalue()


def _rows(task: TaskResult) -> Iterator[dict[str, Any]]:
    about = {key: getattr(task, key) for key in ("language", "family", "relation", "n")}
    for metric, score in task.metrics.items():
        numbers = {key: "" if value is None else value for key, value in score.as_json().items()}
        yield {"task": task.name} | about | {"metric": metric} | numbers
