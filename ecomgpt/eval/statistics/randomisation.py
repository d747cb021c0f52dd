"""Paired randomisation: if two arms are equally good, their answers to a text could as well have been exchanged.

Fisher's (1935) sign-flip test over texts (Noreen, 1989; recommended for NLP by Dror et al., 2018). A text is exchanged
in all tasks that ask about it, and under all seeds. Texts on which both arms count the same decide nothing; up to
`MOST_EXACT` others, every exchange is computed, so that the p-value is exact. For right and wrong answers the test is
McNemar's (1947) exact one.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import bdtr

from ecomgpt.eval.statistics.counts import Counts

MOST_EXACT = 14
MOST_DRAWN = 2_000
"""Texts that differ; with more, the mean of so many is as good as normal and Student's t says the same."""
DRAWS = 10_000
_BLOCK = 1_000
_EQUAL = 1e-12
"""Equal differences come out of different sums."""


def paired_randomisation(second: Sequence[Sequence[Counts]], first: Sequence[Sequence[Counts]]) -> float | None:
    """The two-sided p-value of no difference between two arms' means over tasks.

    Args:
        second: An arm, by seed, by task.
        first: Another on the same rows.

    Returns:
        From ``2 / 2**n`` for n texts that differ, 1 where none does. None where the test is left to Student's t: with
        very many texts, and with several seeds unless few texts differ.
    """
    pairs = [list(zip(one, other, strict=True)) for one, other in zip(second, first, strict=False)]
    if len(second) == len(first) == len(second[0]) == 1 and all(one.right_or_wrong for one in pairs[0][0]):
        return mcnemar(*pairs[0][0])
    if len(second) != len(first):
        return None
    different = list(dict.fromkeys(key for run in pairs for one, other in run for key in _differing(one, other)))
    if not different:
        return 1.0
    exact = len(different) <= MOST_EXACT
    if not exact and (len(second) > 1 or len(different) > MOST_DRAWN):
        return None
    observed = abs(np.mean([one.value - other.value for run in pairs for one, other in run]))
    extreme = number = 0
    for flips in _all_flips(len(different)) if exact else _random_flips(len(different)):
        drawn = np.mean([_exchanged(one, other, different, flips) for run in pairs for one, other in run], axis=0)
        extreme += int((np.abs(drawn) >= observed - _EQUAL).sum())
        number += len(flips)
    return extreme / number if exact else (1 + extreme) / (1 + number)


def mcnemar(second: Counts, first: Counts) -> float:
    """McNemar's exact test of two runs' right and wrong rows of one task: the sign test of those that differ."""
    wins = int((second.sums[:, 0] > first.sums[:, 0]).sum())
    losses = int((second.sums[:, 0] < first.sums[:, 0]).sum())
    return min(1.0, 2 * float(bdtr(min(wins, losses), wins + losses, 0.5))) if wins + losses else 1.0


def _differing(one: Counts, other: Counts) -> list[str]:
    return [one.texts[place] for place in np.flatnonzero((one.sums != other.sums).any(1))]


def _exchanged(one: Counts, other: Counts, different: Sequence[str], flips: np.ndarray) -> np.ndarray:
    """A task's difference after each exchange, shape (exchanges,)."""
    line = {key: place for place, key in enumerate(one.texts)}
    columns = [place for place, key in enumerate(different) if key in line]
    rows = [line[different[place]] for place in columns]
    moved = flips[:, columns] @ (other.sums[rows] - one.sums[rows])
    return np.asarray(one.compute(one.sums.sum(0) + moved) - other.compute(other.sums.sum(0) - moved))


def _all_flips(texts: int) -> Iterator[np.ndarray]:
    yield ((np.arange(2**texts)[:, None] >> np.arange(texts)) & 1).astype(float)


def _random_flips(texts: int) -> Iterator[np.ndarray]:
    chance = np.random.default_rng(texts)
    for _ in range(DRAWS // _BLOCK):
        yield chance.integers(0, 2, (_BLOCK, texts)).astype(float)
