"""The smallest difference that a planned comparison of two arms would find."""

from ecomgpt.eval.statistics.intervals import smallest_difference

DIFFER = 0.3
"""Share of rows on which two runs are not both right or both wrong; half of it is noise of single answers, which seeds
average out."""
SPREAD = 0.01
"""Standard deviation that training seeds add to the mean over tasks."""


def detectable(texts: int, seeds: int, spread: float = SPREAD) -> float:
    """The smallest true difference found in 4 of 5 comparisons of right and wrong answers at the 5 % level.

    ``V = (d / 2) (1 + 1 / k) / n + 2 s^2 / k`` with d `DIFFER`, k seeds per arm, n texts, s the spread between
    seeds: the variance of `ecomgpt.eval.statistics.uncertainty` with assumed parts.

    Args:
        texts: Texts behind the mean; rows of several tasks about one text count once.
        seeds: Seeds per arm.
        spread: What a seed adds, a standard deviation, fraction of one.
    """
    variance = DIFFER / 2 * (1 + 1 / seeds) / texts + 2 * spread**2 / seeds
    freedom = 2 * (seeds - 1) if seeds > 1 and spread else 0
    share = (2 * spread**2 / seeds) / variance
    # Satterthwaite's degrees of freedom where only the seeds' part has few.
    return smallest_difference(variance, max(freedom / share**2, 1.0) if freedom else 1e9)
