"""`results.csv` and `table.tex` of a run; those of several runs have more columns of the same kinds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from ecomgpt.report import latex
from ecomgpt.report.load import Run, Score, TaskScores
from ecomgpt.report.tables import average_rows, score_rows
from ecomgpt.report.text import mark, points

COLUMNS = ("job", "overrides", "arm", "task", "language", "family", "relation", "n", "metric", "value", "low", "high")


def as_csv(runs: Sequence[tuple[str, str, Run]]) -> str:
    """One row a run, arm (trained, untrained), task and metric.

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


def _rows(task: TaskScores) -> Iterator[dict[str, Any]]:
    about = {
        "task": task.name,
        "language": task.language,
        "family": task.family,
        "relation": task.relation,
        "n": task.n,
    }
    for metric, score in task.metrics.items():
        parts = {"value": score.value, "low": score.low, "high": score.high}
        yield about | {"metric": metric} | {key: value if value == value else "" for key, value in parts.items()}


def as_latex(run: Run) -> str:
    """Tasks and averages of one run: before and after training, with the best baseline."""
    arms = ["untrained", "trained"] if run.untrained else ["score"]
    rows = []
    for row in score_rows(run):
        arrow = mark(row.difference.verdict) if row.difference else ""
        known = [row.untrained, row.score] if run.untrained else [row.score]
        baseline = [latex.Cell(points(row.baseline[1].value) if row.baseline else "–")] if run.baselines else []
        rows.append(([title(row.task), row.metric], [*_cells(known, arrow), *baseline]))
    averages = []
    for average in average_rows(run):
        known = [average.untrained, average.score] if run.untrained else [average.score]
        averages.append(
            ([f"mean: {average.name}", ""], [*_cells(known, ""), *([latex.Cell("–")] if run.baselines else [])])
        )
    columns = ["task", "metric", *arms, *(["best baseline"] if run.baselines else [])]
    caption = f"{run.name}: points, 0 to 100. Arrows mark what training changed, with p below 0.05."
    return latex.table(columns, [part for part in (rows, averages) if part], caption)


def _cells(scores: Sequence[Score | None], arrow: str) -> list[latex.Cell]:
    known = [score.value for score in scores if score is not None and score.known]
    return [
        latex.Cell(
            points(score.value) if score else "–",
            best=score is not None and len(known) > 1 and score.value == max(known) > min(known),
            mark=arrow if at == len(scores) - 1 else "",
        )
        for at, score in enumerate(scores)
    ]


def title(task: TaskScores) -> str:
    """The title, or the task's name where only that can be printed by every TeX."""
    return task.title if latex.printable(task.title) else task.name
