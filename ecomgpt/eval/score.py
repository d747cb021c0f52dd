"""Scores of one task from its answers; needs no model."""

from collections.abc import Sequence
from dataclasses import dataclass

from ecomgpt.eval.metrics_file import Score
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.statistics import uncertainty
from ecomgpt.eval.statistics.counts import Counts, counts
from ecomgpt.eval.task import EvalTask


@dataclass(frozen=True)
class TaskScore:
    """What a task scored.

    Attributes:
        n: Rows.
        primary: The metric that stands for the task.
        counts: By metric, what the answers add to it.
    """

    n: int
    primary: str
    counts: dict[str, Counts]

    @property
    def values(self) -> dict[str, float]:
        """Metric to value."""
        return {name: one.value for name, one in self.counts.items()}

    @property
    def metrics(self) -> dict[str, Score]:
        """The values with their intervals, by metric."""
        return {name: uncertainty.score([[one]]) for name, one in self.counts.items()}


def score(task: EvalTask, answers: Sequence[Answer]) -> TaskScore:
    """Scores a task.

    Args:
        task: Its declaration, for the metrics.
        answers: Of one task, at least one.

    Raises:
        ValueError: If there are no answers.
    """
    if not answers:
        raise ValueError(f"the task '{task.name}' has no answers to score")
    names = task.metric_names(answers[0].row.kind, answers[0].row.form)
    return TaskScore(len(answers), names[0], {name: counts([answers], name)[0] for name in names})
