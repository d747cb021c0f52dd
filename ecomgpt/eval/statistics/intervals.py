"""Intervals of scores and of differences from a variance, and the size of a difference that a variance can show."""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtr, stdtrit

from ecomgpt.eval.statistics.counts import Counts

CONFIDENCE = 0.95
POWER = 0.8
NORMAL = 1e9
"""Degrees of freedom of a variance that is known."""


def quantile(probability: float, freedom: float) -> float:
    """Student's t that a share ``probability`` of draws stays below."""
    return float(stdtrit(freedom, probability))


def wilson(value: float, units: int, variance: float | None = None, freedom: float = NORMAL) -> tuple[float, float]:
    """Wilson's (1927) interval of a score from 0 to 1.

    Args:
        value: The score.
        units: Independent texts behind it.
        variance: Its estimated variance, where it is no plain share of right texts. The number of trials is then the
            effective one, ``value (1 - value) / variance`` (Korn and Graubard, 1998); the binomial variance of one
            more unit is added, so that few units never claim more than they can know.
        freedom: Degrees of freedom of the variance.

    Returns:
        Both ends, within 0 and 1.
    """
    z = quantile((1 + CONFIDENCE) / 2, NORMAL if variance is None else max(freedom, 1.0))
    spread = value * (1 - value)
    trials = float(units)
    if variance is not None and spread > 0:
        near = (value * units + 2) / (units + 4)
        trials = spread / (variance + near * (1 - near) / (units * (units + 1)))
    centre = (value + z * z / 2 / trials) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * np.sqrt(spread / trials + z * z / 4 / trials**2)
    low, high = float(centre - half), float(centre + half)
    return (0.0 if value <= 0 else max(0.0, low), 1.0 if value >= 1 else min(1.0, high))


def agresti_min(second: Sequence[Sequence[Counts]], first: Sequence[Sequence[Counts]]) -> tuple[float, float]:
    """The estimate of Agresti and Min (2005) of a paired difference, for the mean over tasks.

    They add two texts, one in favour of either side: the difference shrinks by ``n / (n + 2)``, and a task on which
    every answer was equal still has a variance. The added texts differ by the largest difference of any text, which is
    1 for right and wrong, and is taken as 1 where no text differs; seeds are asked independently, so k of them add 1/k
    as much.

    Args:
        second: An arm, by seed, by task.
        first: Another on the same rows.

    Returns:
        The centre of the interval, and the variance to add to the jackknife's.
    """
    tasks = len(second[0])
    means, largest = [], 0.0
    for task in range(tasks):
        by_seed = [[run[task].value for run in arm] for arm in (second, first)]
        by_text = [np.mean([run[task].compute(run[task].sums) for run in arm], axis=0) for arm in (second, first)]
        means.append(float(np.mean(by_seed[0]) - np.mean(by_seed[1])))
        largest = max(largest, min(1.0, float(np.abs(by_text[0] - by_text[1]).max())))
    # Over the texts of all tasks together: shrinking each task by its own few would not fade in a mean over many.
    texts = len({key for one in second[0] for key in one.texts})
    added = (largest or 1.0) ** 2 / (texts + 2) ** 2 / min(len(second), len(first))
    return float(np.mean(means)) * texts / (texts + 2), added


def reach(variance: float, freedom: float) -> float:
    """Half the width of a 95 % interval."""
    return quantile((1 + CONFIDENCE) / 2, freedom) * variance**0.5


def two_sided(value: float, variance: float, freedom: float) -> float:
    """Student's two-sided p-value of a value of zero."""
    return float(2 * stdtr(freedom, -abs(value) / variance**0.5)) if variance > 0 else 1.0


def smallest_difference(variance: float, freedom: float = NORMAL) -> float:
    """The smallest true difference that is found with a power of 80 % at the 5 % level (Bloom, 1995)."""
    return (quantile((1 + CONFIDENCE) / 2, freedom) + quantile(POWER, freedom)) * variance**0.5
