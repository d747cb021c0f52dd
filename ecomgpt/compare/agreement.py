"""How far annotators agree beyond chance: Cohen's kappa for two (1960), Fleiss' for more (1971)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ecomgpt.compare.verdicts import VERDICTS

SAMPLES = 2000
"""Resamples of the percentile bootstrap over rows (Efron and Tibshirani, 1993) that gives kappa its interval."""


@dataclass(frozen=True)
class Kappa:
    """An agreement.

    Attributes:
        between: The names of those who judged.
        n: The rows that all of them judged.
        observed: Share of pairs of verdicts on a row that are equal.
        value: Kappa: 1 full agreement, 0 no more than by chance; NaN where chance alone would agree always, or without
            rows.
        low: Lower end of the 95 % bootstrap interval over rows; NaN where too few rows vary.
        high: Upper end.
    """

    between: tuple[str, ...]
    n: int
    observed: float
    value: float
    low: float
    high: float

    @property
    def method(self) -> str:
        return "Cohen" if len(self.between) == 2 else "Fleiss"


def agreement(given: Mapping[str, Mapping[str, str]]) -> list[Kappa]:
    """Among all annotators, and for more than two among each two of them as well; from annotator to verdicts by row."""
    names = sorted(given)
    sizes = {2, len(names)} if len(names) > 1 else set()
    groups = [group for size in sorted(sizes, reverse=True) for group in itertools.combinations(names, size)]
    return [kappa(group, [given[name] for name in group]) for group in groups]


def kappa(names: Sequence[str], given: Sequence[Mapping[str, str]]) -> Kappa:
    """Agreement on the rows that everybody judged: Cohen's kappa for two, Fleiss' for more."""
    shared = sorted(set(given[0]).intersection(*given[1:]))
    if not shared:
        return Kappa(tuple(names), 0, math.nan, math.nan, math.nan, math.nan)
    votes = np.array([[VERDICTS.index(one[row]) for one in given] for row in shared])
    raters, formula = len(given), cohen if len(given) == 2 else fleiss
    if raters == 2:
        columns = np.eye(len(VERDICTS) ** 2)[votes[:, 0] * len(VERDICTS) + votes[:, 1]]
    else:
        counts = np.eye(len(VERDICTS))[votes].sum(1)
        agreed = ((counts**2).sum(1) - raters) / (raters * (raters - 1))
        columns = np.column_stack([np.ones(len(votes)), agreed, counts])
    observed, value = formula(columns.sum(0)[None])
    # A resample of n rows is a multinomial draw.
    draws = np.random.default_rng(len(shared)).multinomial(len(shared), [1 / len(shared)] * len(shared), SAMPLES)
    drawn = formula(draws @ columns)[1]
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) > SAMPLES // 2 else (math.nan, math.nan)
    return Kappa(tuple(names), len(shared), float(observed[0]), float(value[0]), float(low), float(high))


def cohen(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Observed agreement and Cohen's kappa.

    Args:
        sums: (samples, categories squared) contingency tables of two annotators, flattened.
    """
    tables = sums.reshape(len(sums), len(VERDICTS), len(VERDICTS))
    tables = tables / tables.sum((1, 2), keepdims=True)
    observed = np.trace(tables, axis1=1, axis2=2)
    return observed, _beyond_chance(observed, (tables.sum(1) * tables.sum(2)).sum(1))


def fleiss(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Observed agreement and Fleiss' kappa.

    Args:
        sums: (samples, 2 + categories): rows, their agreements added up, and the votes for each category.
    """
    observed = sums[:, 1] / sums[:, 0]
    shares = sums[:, 2:] / sums[:, 2:].sum(1, keepdims=True)
    return observed, _beyond_chance(observed, (shares**2).sum(1))


def _beyond_chance(observed: np.ndarray, chance: np.ndarray) -> np.ndarray:
    # Sums of shares may miss 1 by a rounding error; kappa has no meaning there.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(chance < 1 - 1e-12, (observed - chance) / (1 - chance), np.nan)
