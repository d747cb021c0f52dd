"""The shape of a metric, and F1 over arrays of sums."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ecomgpt.eval.rows import Answer

Count = Callable[[Sequence[Answer], Sequence[str]], np.ndarray]
Compute = Callable[[np.ndarray], np.ndarray]


def _no_names(answers: Sequence[Answer]) -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class Metric:
    """An update/compute pair. What is summed over rows between the two can be summed over processes and resamples too.

    Attributes:
        count: Answers and names to an array (answers, sums), float64.
        compute: Divides. Summed counts (..., sums) to values (...).
        names: What is counted one by one, such as classes; where processes or runs count for themselves, all must count
            by the names of all their answers together.
    """

    count: Count
    compute: Compute
    names: Callable[[Sequence[Answer]], list[str]] = _no_names

    def update(self, answers: Sequence[Answer], names: Sequence[str] | None = None) -> np.ndarray:
        """Counts: one line of sums for each answer, (answers, sums)."""
        return self.count(answers, self.names(answers) if names is None else names)


def ratio(numerator: np.ndarray, denominator: np.ndarray, empty: float = 0.0) -> np.ndarray:
    """Division that gives ``empty`` where the denominator is 0."""
    safe = np.where(denominator == 0, 1.0, denominator)
    return np.where(denominator == 0, empty, numerator / safe)


def f1(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """``2 P R / (P + R)``, 0 where both are 0."""
    return ratio(2 * precision * recall, precision + recall)


def per_class(find: Callable[[Answer], Sequence[Iterable[str]]]) -> Count:
    """A count of classes: (answers, classes * 3) from the classes of the items matched, given and gold of an answer."""

    def count(answers: Sequence[Answer], names: Sequence[str]) -> np.ndarray:
        index = {name: at for at, name in enumerate(names)}
        counts = np.zeros((len(answers), len(index), 3))
        for row, answer in enumerate(answers):
            for column, found in enumerate(find(answer)):
                for name in found:
                    if name in index:
                        counts[row, index[name], column] += 1
        return counts.reshape(len(answers), 3 * len(index))

    return count


def macro_f1(sums: np.ndarray, empty: float = 0.0) -> np.ndarray:
    """The mean F1 of the classes that occur, from `per_class` counts; ``empty`` where none does."""
    by_class = sums.reshape(*sums.shape[:-1], -1, 3)
    occurring = by_class[..., 1] + by_class[..., 2]
    return ratio(ratio(2 * by_class[..., 0], occurring).sum(-1), (occurring > 0).sum(-1), empty)


def mean(update: Callable[[Answer], float]) -> Metric:
    """The mean over rows of one number per row."""
    return Metric(
        count=lambda answers, names: np.array([[update(answer), 1.0] for answer in answers]).reshape(-1, 2),
        compute=lambda sums: ratio(sums[..., 0], sums[..., 1]),
    )
