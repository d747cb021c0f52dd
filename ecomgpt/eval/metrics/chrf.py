"""chrF: character n-gram F-score of a whole task, valid for any language.

Popović (2015), "chrF: character n-gram F-score for automatic MT evaluation". For n = 1 to 6, white space removed:
``P_n``, ``R_n`` from counts summed over rows; P and R their means over the orders that both sides have;
``chrF = (1 + 4) P R / (4 P + R)``. Same value as ``sacrebleu.CHRF().corpus_score(...) / 100``, counted here so that
rows can be resampled.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ecomgpt.eval.metrics.base import Metric, ratio
from ecomgpt.eval.rows import Answer

ORDER = 6
BETA_SQUARED = 4.0


def chrf_counts(given: str, gold: str) -> list[int]:
    """(n-grams given, gold, matched) per order; given ones count as 0 where the gold text has none of that order."""
    left, right = "".join(given.split()), "".join(gold.split())
    counts: list[int] = []
    for n in range(1, ORDER + 1):
        of_left, of_right = _grams(left, n), _grams(right, n)
        counts += [of_left.total() if of_right else 0, of_right.total(), (of_left & of_right).total()]
    return counts


def _grams(text: str, n: int) -> Counter[str]:
    return Counter(text[start : start + n] for start in range(len(text) - n + 1))


def _count(answers: Sequence[Answer], names: Sequence[str]) -> np.ndarray:
    return np.array([chrf_counts(a.text, a.row.target) for a in answers], float).reshape(-1, 3 * ORDER)


def _compute(sums: np.ndarray) -> np.ndarray:
    given, gold, matched = (sums[..., part::3] for part in range(3))
    orders = ((given > 0) & (gold > 0)).astype(float)
    precision = ratio((ratio(matched, given) * orders).sum(-1), orders.sum(-1))
    recall = ratio((ratio(matched, gold) * orders).sum(-1), orders.sum(-1))
    return ratio((1 + BETA_SQUARED) * precision * recall, BETA_SQUARED * precision + recall)


CHRF = Metric(_count, _compute)
