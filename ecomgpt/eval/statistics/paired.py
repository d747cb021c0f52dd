"""Two runs, or several, on the same rows: aligned, compared task by task, p-values corrected over the tasks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import read_json
from ecomgpt.eval.metrics.names import defaults
from ecomgpt.eval.metrics_file import Change
from ecomgpt.eval.predictions import read_answers
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.statistics.counts import counts
from ecomgpt.eval.statistics.uncertainty import difference
from ecomgpt.runtime.directory import Run


class Difference(NamedTuple):
    """How two runs differ on a task.

    Attributes:
        metric: Its name.
        first: The first run's value.
        second: The second run's.
        change: How much higher the second one is.
    """

    metric: str
    first: float
    second: float
    change: Change


def aligned(runs: Mapping[str, Sequence[Answer]]) -> dict[str, list[Answer]]:
    """The runs' answers in the order of the first run's rows.

    Raises:
        UserError: If they answered different rows, or other questions under the same ids.
    """
    first = next(iter(runs.values()))
    found = {}
    for name, answers in runs.items():
        by_id = {answer.row.id: answer for answer in answers}
        if len(answers) != len(first) or any(answer.row.id not in by_id for answer in first):
            sizes = " and ".join(map(str, dict.fromkeys(map(len, runs.values()))))
            raise UserError(
                f"{first[0].row.task if first else 'a task'}: the runs answered different rows ({sizes} of them); "
                "evaluate all with the same eval settings"
            )
        found[name] = [by_id[answer.row.id] for answer in first]
        for one, other in zip(first, found[name], strict=True):
            if one.row.target != other.row.target:
                raise UserError(f"{one.row.id}: the runs had different targets; they read different data")
            if one.row.prompt.text != other.row.prompt.text:
                raise UserError(
                    f"{one.row.id}: the runs were asked differently; evaluate all with the same eval settings"
                )
    return found


def paired(first: Sequence[Answer], second: Sequence[Answer], name: str) -> Difference:
    """Compares two runs on one task, one seed each.

    Args:
        first: Answers of the first run.
        second: Answers of the second run, to the same rows in any order.
        name: The metric.

    Raises:
        UserError: If the runs answered different rows, or other questions under the same ids.
    """
    runs = aligned({"first": first, "second": second})
    one, other = counts([runs["first"], runs["second"]], name)
    return Difference(name, one.value, other.value, difference([[other]], [[one]]))


def compare(
    first: Mapping[str, Sequence[Answer]],
    second: Mapping[str, Sequence[Answer]],
    metrics: Mapping[str, str] | None = None,
) -> dict[str, Difference]:
    """Compares two runs on all tasks that both have.

    Args:
        first: Answers by task.
        second: Answers by task.
        metrics: The metric of each task; None takes the one that best fits kind and form.
    """
    found = {}
    for task in first:
        if task in second:
            row = first[task][0].row
            name = metrics[task] if metrics else defaults(row.kind, row.form)[0]
            found[task] = paired(first[task], second[task], name)
    changes = holm({task: one.change for task, one in found.items()})
    return {task: one._replace(change=changes[task]) for task, one in found.items()}


def between(run: Run, other: Run) -> dict[str, Difference]:
    """How ``run`` differs from ``other`` on the tasks that both answered, each by the run's metric of record.

    Raises:
        UserError: If they have no task in common, or answered different rows of one.
    """
    tasks, others = (read_json(one.metrics_file).get("tasks", {}) for one in (run, other))
    shared = [name for name in tasks if name in others]
    if not shared:
        raise UserError(
            f"'{run.path}' and '{other.path}' have no evaluated task in common; evaluate both with one suite"
        )
    first, second = ({name: read_answers(one.predictions / f"{name}.jsonl") for name in shared} for one in (other, run))
    return compare(first, second, {name: tasks[name]["primary"] for name in shared})


def holm(changes: Mapping[str, Change]) -> dict[str, Change]:
    """Changes with their p-values corrected over all that are given and have one.

    Holm (1979): the i-th smallest of m p-values times ``m - i + 1``, never below an earlier one, at most 1.
    """
    found = dict(changes)
    tested = sorted((name for name, one in changes.items() if math.isfinite(one.p)), key=lambda name: changes[name].p)
    highest = 0.0
    for rank, name in enumerate(tested):
        highest = max(highest, min(1.0, changes[name].p * (len(tested) - rank)))
        found[name] = replace(changes[name], p_holm=highest)
    return found
