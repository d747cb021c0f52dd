"""Scores of one task from its answers; needs no model."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ecomgpt.eval.metrics.names import metric
from ecomgpt.eval.metrics_file import Score
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.statistics.bootstrap import interval, resample
from ecomgpt.eval.task import EvalTask

DIGITS = 6


@dataclass(frozen=True)
class TaskScore:
    """What a task scored.

    Attributes:
        n: Rows.
        primary: The metric that stands for the task.
        values: Metric to value.
        samples: Metric to its bootstrap values, (samples,).
    """

    n: int
    primary: str
    values: dict[str, float]
    samples: dict[str, np.ndarray] = field(repr=False)

    @property
    def metrics(self) -> dict[str, Score]:
        """The values with their intervals, by metric."""
        return {name: Score(**with_interval(value, self.samples[name])) for name, value in self.values.items()}


def score(task: EvalTask, answers: Sequence[Answer], samples: int = 1000) -> TaskScore:
    """Scores a task.

    Args:
        task: Its declaration, for the metrics.
        answers: Of one task, at least one.
        samples: Bootstrap resamples.

    Raises:
        ValueError: If there are no answers.
    """
    if not answers:
        raise ValueError(f"the task '{task.name}' has no answers to score")
    names = task.metric_names(answers[0].row.kind, answers[0].row.form)
    metrics = {name: metric(name, answers[0].row.kind) for name in names}
    sums = {name: one.update(answers) for name, one in metrics.items()}
    resampled = resample(np.concatenate(list(sums.values()), axis=1), samples, task.name)
    ends = np.cumsum([part.shape[1] for part in sums.values()])
    parts = dict(zip(names, np.split(resampled, ends[:-1], axis=1), strict=True))
    return TaskScore(
        n=len(answers),
        primary=names[0],
        values={name: float(one.compute(sums[name].sum(0))) for name, one in metrics.items()},
        samples={name: one.compute(parts[name]) for name, one in metrics.items()},
    )


def with_interval(value: float, samples: np.ndarray) -> dict[str, float]:
    """A value with its 95 % bootstrap interval, rounded so that the file does not depend on the order of summation."""
    low, high = interval(samples)
    return {"value": round(value, DIGITS), "low": round(low, DIGITS), "high": round(high, DIGITS)}
