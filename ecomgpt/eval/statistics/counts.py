"""What a run's answers add to a metric, text by text: the numbers from which every interval and test is computed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ecomgpt.eval.metrics.names import metric
from ecomgpt.eval.rows import Answer

LEAST_SUPPORT = 5
"""Gold rows that a class needs for its F1's variance to be seen in the rows at hand."""
RARE_SHARE = 0.1
"""Share of classes that may have fewer; a macro F1 over more of them gets no interval, because none would cover."""


@dataclass(frozen=True, eq=False)
class Counts:
    """One run's answers to one task as a metric counts them, rows about one text added up.

    Attributes:
        texts: Keys of the texts, one for each line of ``sums``; a text has one key in all tasks of its dataset.
        sums: Shape (texts, columns), float64.
        compute: The metric: summed counts (..., columns) to values (...).
        rows: Number of rows behind the counts.
        note: Why the metric has no interval on these rows; empty where it has one.
        kind: The task type, with which the metric's name gives ``compute`` again.
    """

    texts: tuple[str, ...]
    sums: np.ndarray
    compute: Callable[[np.ndarray], np.ndarray]
    rows: int
    note: str = ""
    kind: str = ""

    @cached_property
    def value(self) -> float:
        """The metric over all rows."""
        return float(self.compute(self.sums.sum(0)))

    @cached_property
    def influence(self) -> np.ndarray:
        """How far each text moves the metric, shape (texts,): the sum of their squares is the jackknife's variance.

        Tukey's (1958) pseudo-values: ``n v - (n - 1) v without the text``, centred, over ``sqrt(n (n - 1))``.
        """
        texts, total = len(self.sums), self.sums.sum(0)
        pseudo = texts * self.compute(total) - (texts - 1) * self.compute(total - self.sums)
        return np.asarray((pseudo - pseudo.mean()) / np.sqrt(texts * max(texts - 1, 1)))

    @cached_property
    def right_or_wrong(self) -> bool:
        """Whether the metric is the share of right rows, each about a text of its own."""
        plain = self.rows == len(self.texts) and self.sums.shape[1] == 2 and bool((self.sums[:, 1] == 1).all())
        return plain and bool(np.isin(self.sums[:, 0], (0, 1)).all())


def counts(runs: Sequence[Sequence[Answer]], name: str) -> list[Counts]:
    """Counts the answers of several runs to one task.

    Args:
        runs: Each run's answers to the same rows in the same order, at least one row.
        name: The metric.

    Returns:
        One `Counts` per run. All runs count the same classes: those that occur in any of them.
    """
    first = runs[0]
    one = metric(name, first[0].row.kind)
    names = one.names([answer for run in runs for answer in run])
    keys = [answer.row.text_key for answer in first]
    texts = tuple(dict.fromkeys(keys))
    places = {key: place for place, key in enumerate(texts)}
    line = np.array([places[key] for key in keys])
    note = _rare_classes(first) if name.endswith("macro_f1") else ""
    found = []
    for run in runs:
        by_row = one.update(run, names)
        sums = np.zeros((len(texts), by_row.shape[1]))
        np.add.at(sums, line, by_row)
        found.append(Counts(texts, sums, one.compute, len(run), note, first[0].row.kind))
    return found


def _rare_classes(answers: Sequence[Answer]) -> str:
    """Says why a macro F1 has no interval, where too many classes are too rare for one."""
    support: dict[str, int] = {}
    for answer in answers:
        for label in {item[0] if isinstance(item, tuple) else item for item in answer.gold}:
            support[label] = support.get(label, 0) + 1
    rare = sum(rows < LEAST_SUPPORT for rows in support.values())
    if rare <= RARE_SHARE * len(support):
        return ""
    return f"{rare} of {len(support)} classes have fewer than {LEAST_SUPPORT} rows, too few for an interval of macro F1"
