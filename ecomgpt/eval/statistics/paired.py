"""Two runs on the same rows: differences with intervals and p-values, from a paired bootstrap, Holm-corrected over tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import read_json
from ecomgpt.eval.metrics.names import defaults
from ecomgpt.eval.metrics.table import metric
from ecomgpt.eval.predictions import read_answers
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.statistics.bootstrap import interval, resample
from ecomgpt.run.directory import Run


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher a run scored than another.

    Attributes:
        metric: Its name.
        first: The first run's value.
        second: The second run's.
        value: ``second - first``.
        low: Lower end of the 95 % interval of the difference.
        high: Upper end.
        p: Two-sided p-value of no difference.
        p_holm: The same, corrected over the tasks that were compared together.
    """

    metric: str
    first: float
    second: float
    value: float
    low: float
    high: float
    p: float
    p_holm: float


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


def paired(first: Sequence[Answer], second: Sequence[Answer], name: str, samples: int = 10_000) -> Difference:
    """Compares two runs on one task. ``p_holm`` equals ``p`` until `holm` is applied.

    Rows are resampled together for both runs (Koehn, 2004). The p-value shifts the bootstrap distribution of the difference
    to a mean of none: ``p = (1 + #{|d* - mean d*| >= |d|}) / (samples + 1)``.

    Args:
        first: Answers of the first run.
        second: Answers of the second run, to the same rows in any order.
        name: The metric.
        samples: Bootstrap resamples; the smallest p-value is ``1 / (samples + 1)``.

    Raises:
        UserError: If the runs answered different rows, or other questions under the same ids.
    """
    pairs = _pairs(first, second)
    # Both runs in one call, so that both count by the same names (the classes that occur).
    one = metric(name, first[0].row.kind)
    both = one.update([answer for pair in pairs for answer in pair])
    sums = np.stack([both[0::2], both[1::2]], axis=1)
    values = one.compute(sums.sum(0))
    drawn = resample(sums.reshape(len(pairs), -1), samples, first[0].row.task).reshape(samples, 2, -1)
    differences = one.compute(drawn[:, 1]) - one.compute(drawn[:, 0])
    value = float(values[1] - values[0])
    low, high = interval(differences)
    # A tiny tolerance, because equal differences come out of different sums.
    extreme = np.abs(differences - differences.mean()) >= abs(value) - 1e-12
    p = (1 + int(extreme.sum())) / (samples + 1)
    return Difference(name, float(values[0]), float(values[1]), value, low, high, p, p)


def compare(
    first: Mapping[str, Sequence[Answer]],
    second: Mapping[str, Sequence[Answer]],
    metrics: Mapping[str, str] | None = None,
    samples: int = 10_000,
) -> dict[str, Difference]:
    """Compares two runs on all tasks that both have.

    Args:
        first: Answers by task.
        second: Answers by task.
        metrics: The metric of each task; None takes the one that best fits kind and form.
        samples: Bootstrap resamples.
    """
    found = {}
    for task in first:
        if task in second:
            row = first[task][0].row
            name = metrics[task] if metrics else defaults(row.kind, row.form)[0]
            found[task] = paired(first[task], second[task], name, samples)
    return holm(found)


def holm(differences: Mapping[str, Difference]) -> dict[str, Difference]:
    """Differences with their p-values corrected over all that are given."""
    ps = corrected({task: one.p for task, one in differences.items()})
    return {task: replace(one, p_holm=ps[task]) for task, one in differences.items()}


def corrected(ps: Mapping[str, float]) -> dict[str, float]:
    """Holm (1979): the i-th smallest of m p-values times ``m - i + 1``, never below an earlier one, at most 1."""
    found: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(ps, key=lambda name: ps[name])):
        highest = max(highest, min(1.0, ps[name] * (len(ps) - rank)))
        found[name] = highest
    return found


def _pairs(first: Sequence[Answer], second: Sequence[Answer]) -> list[tuple[Answer, Answer]]:
    by_id = {answer.row.id: answer for answer in second}
    if len(first) != len(second) or any(answer.row.id not in by_id for answer in first):
        raise UserError(
            f"{first[0].row.task if first else 'a task'}: the two runs answered different rows "
            f"({len(first)} and {len(second)}); evaluate both with the same eval settings"
        )
    pairs = [(answer, by_id[answer.row.id]) for answer in first]
    for one, other in pairs:
        if one.row.target != other.row.target:
            raise UserError(f"{one.row.id}: the two runs had different targets; they read different data")
        if one.row.prompt.text != other.row.prompt.text:
            raise UserError(
                f"{one.row.id}: the two runs were asked differently; evaluate both with the same eval settings"
            )
    return pairs
