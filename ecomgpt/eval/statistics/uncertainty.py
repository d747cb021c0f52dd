"""One model of uncertainty for a run, a pair of runs and a study: texts clustered, crossed with seeds.

An *arm* is one configuration trained with k seeds and asked T tasks. Its score is the mean over seeds of the mean over
tasks of each task's metric. Two things vary: which texts happen to be in the evaluation, which all tasks of a dataset,
all seeds and all arms share; and which seeds happen to be drawn. With ``u[s, c]`` the influence of text c on the score
under seed s (the jackknife of Tukey, 1958: what leaving the text out changes, so that ratios such as F1 are treated
like means; a text of several tasks adds its influences up, which is the cluster-robust variance of Liang and Zeger,
1986), the variance of a score or of a difference of two arms is::

    V = sum_c ubar[c]^2  +  max(0, sum_arms (B - W) / k)

The first term is the variance over texts, ``ubar`` being the influence averaged over seeds and, for two arms,
subtracted: it holds how texts differ in difficulty, how that differs between arms, and 1/k of the noise of single
answers. ``B`` is the variance of an arm's k scores between seeds and ``W`` the part of it that the noise of single
answers explains (the variance of ``u[s, c] - ubar[c]``): their difference, cut at zero, is what seeds add. That is the
two-way random effects estimate of the analysis of variance; multi-way clustering (Cameron, Gelbach and Miller, 2011)
writes it as texts + seeds - both. Degrees of freedom are Satterthwaite's (1946). Seeds of two arms are independent.

With one seed the second term can't be known: the interval then speaks of this trained model alone.

*Intervals.* A score lies between 0 and 1: Wilson's (1927) interval, with the effective number of texts ``v (1 - v) /
V`` of Korn and Graubard (1998) where it is no plain share. A difference lies between -1 and 1: value +- t SE around
the estimate of Agresti and Min (2005), who add a text in favour of either side.

*p-values.* Paired randomisation over texts (`ecomgpt.eval.statistics.randomisation`), McNemar's exact test where rows
are right or wrong; with several seeds Student's t as above, and the exact test where few texts differ. Where interval
and p-value would contradict each other, the more cautious one prevails.

Assumes that texts are independent of each other, that there are eight or more, and that seeds are drawn at random.
`docs/statistics.md` explains it; `experiments/benchmarks/statistics.md` holds simulated coverage, type I error, power.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ecomgpt.eval.metrics_file import SIGNIFICANT, Change, Score
from ecomgpt.eval.statistics.counts import Counts
from ecomgpt.eval.statistics.intervals import agresti_min, reach, smallest_difference, two_sided, wilson
from ecomgpt.eval.statistics.randomisation import paired_randomisation

Arm = Sequence[Sequence[Counts]]
"""By seed, by task; all seeds have the same tasks on the same rows."""
ENOUGH = 4
"""Degrees of freedom between seeds (three seeds in each of two arms) from which their variance is known well enough."""


class _Spread(NamedTuple):
    """What is known of an arm.

    Attributes:
        value: The mean over seeds and tasks.
        texts: Influence of each text, averaged over seeds, by key.
        seeds: What seeds add to the variance; may be negative.
        between: Variance of the arm's mean as its seeds alone tell it.
        freedom: Degrees of freedom of ``between``.
    """

    value: float
    texts: dict[str, float]
    seeds: float
    between: float
    freedom: int


def score(arm: Arm) -> Score:
    """An arm's score with its 95 % interval, or with the reason why none would cover."""
    spread = _spread(arm)
    if note := _note(arm):
        return Score(spread.value, note=note)
    plain = len(arm) == len(arm[0]) == 1 and arm[0][0].right_or_wrong
    variance, freedom = _variance([spread], spread.texts)
    return Score(spread.value, *wilson(spread.value, len(spread.texts), None if plain else variance, freedom))


def difference(second: Arm, first: Arm, randomise: bool = True) -> Change:
    """How much higher ``second`` scores than ``first`` on the same rows.

    Args:
        second: An arm.
        first: Another.
        randomise: Look at paired randomisation too; without it the p-value is Student's alone.

    Raises:
        ValueError: If the arms were not asked the same texts.
    """
    if [one.texts for one in second[0]] != [one.texts for one in first[0]]:
        raise ValueError("the arms were asked different texts")
    spreads = [_spread(second), _spread(first)]
    value = spreads[0].value - spreads[1].value
    exact = paired_randomisation(second, first) if randomise else None
    if _note(second):
        return Change(value, p=math.nan if exact is None else exact)
    texts = {key: influence - spreads[1].texts[key] for key, influence in spreads[0].texts.items()}
    variance, freedom = _variance(spreads, texts)
    centre, added = agresti_min(second, first)
    variance += added
    p = max(two_sided(centre, variance, freedom), exact or 0.0)
    width = reach(variance, freedom)
    low, high = min(max(-1.0, centre - width), value), max(min(1.0, centre + width), value)
    if p >= SIGNIFICANT:  # What the exact test does not find must not look like a finding.
        low, high = min(low, 0.0), max(high, 0.0)
    return Change(value, low, high, p, smallest=smallest_difference(variance, freedom))


def _spread(arm: Arm) -> _Spread:
    seeds = len(arm)
    keys = {key: place for place, key in enumerate(dict.fromkeys(key for one in arm[0] for key in one.texts))}
    places = [np.array([keys[key] for key in one.texts]) for one in arm[0]]
    table = np.zeros((seeds, len(keys)))
    for line, run in zip(table, arm, strict=True):
        for place, one in zip(places, run, strict=True):
            line[place] += one.influence / len(run)
    middle = table.mean(0)
    texts = dict(zip(keys, map(float, middle), strict=True))
    values = np.array([np.mean([one.value for one in run]) for run in arm])
    if seeds == 1:
        return _Spread(float(values[0]), texts, 0.0, 0.0, 0)
    between = float(values.var(ddof=1)) / seeds
    within = float(((table - middle) ** 2).sum()) / (seeds - 1) / seeds
    return _Spread(float(values.mean()), texts, between - within, between, seeds - 1)


def _variance(spreads: Sequence[_Spread], texts: dict[str, float]) -> tuple[float, float]:
    """The variance of a score or a difference, and its degrees of freedom."""
    over_texts = float(sum(influence**2 for influence in texts.values()))
    freedom_texts = max(len(texts) - 1, 1)
    added = sum(spread.seeds for spread in spreads)
    if added <= 0:
        return over_texts, freedom_texts
    variance = over_texts + added
    between = sum(spread.between for spread in spreads)
    freedom_seeds = sum(spread.freedom for spread in spreads)
    # How well the seeds' part is known: a plain variance would give added**2, the difference of two mean squares that
    # it is gives up to between**2. Simulated, the first claims too much and the last too little, unless seeds are few.
    known = between**2 if freedom_seeds < ENOUGH else between**1.5 * added**0.5
    return variance, max(1.0, variance**2 / (over_texts**2 / freedom_texts + known / freedom_seeds))


def _note(arm: Arm) -> str:
    return next((one.note for one in arm[0] if one.note), "")
