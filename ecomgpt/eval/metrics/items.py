"""Metrics over the items of an answer: labels, terms, typed terms. Candidates are compared as chosen, all else by
`ecomgpt.tasks.answers.normal`.

With ``T`` the set of gold items of a row, ``P`` the set of given ones (what matches no candidate counts as a wrong
item, and so does an answer in which nothing can be read):
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from ecomgpt.eval.metrics.base import Metric, macro_f1, mean, per_class, ratio
from ecomgpt.eval.metrics.tokens import overlap_f1, tokens
from ecomgpt.eval.rows import Answer


def _micro_count(answers: Sequence[Answer], names: Sequence[str]) -> np.ndarray:
    return np.array([[len(a.given & a.gold), len(a.given), len(a.gold)] for a in answers], float).reshape(-1, 3)


def _micro_compute(sums: np.ndarray) -> np.ndarray:
    return ratio(2 * sums[..., 0], sums[..., 1] + sums[..., 2], empty=1.0)


MICRO_F1 = Metric(_micro_count, _micro_compute)
"""``2 sum |P & T| / (sum |P| + sum |T|)``, sums over rows; 1 where nothing was expected and nothing given. For terms
and typed terms this is the strict span F1 of Tjong Kim Sang and De Meulder (2003), over distinct terms instead of
positions, because an answer names terms, not offsets; for single labels it equals accuracy."""


def classes(answers: Sequence[Answer]) -> list[str]:
    """The classes of a task: the candidates of all rows (labels, or types of typed terms), else the gold labels."""
    offered = {name for answer in answers for name in answer.row.candidates}
    return sorted(offered or {_class(item) for answer in answers for item in answer.gold})


def _class(item: Any) -> str:
    return item[0] if isinstance(item, tuple) else item


def _found(answer: Answer) -> list[list[str]]:
    return [list(map(_class, items)) for items in (answer.given & answer.gold, answer.given, answer.gold)]


MACRO_F1 = Metric(per_class(_found), partial(macro_f1, empty=1.0), classes)
"""The mean over classes of each class's ``2 tp / (2 tp + fp + fn)``, as scikit-learn's ``f1_score(average="macro")``:
over the classes that occur in the gold or the given answers. A class is a label, or a type of typed terms. An answer
outside the classes is a miss of the gold class and no class of its own."""


def _partial_count(answers: Sequence[Answer], names: Sequence[str]) -> np.ndarray:
    return np.array([[_partial(a.given, a.gold), len(a.given), len(a.gold)] for a in answers], float).reshape(-1, 3)


def _partial(given: frozenset, gold: frozenset) -> float:
    left, right = [_split(item) for item in given], [_split(item) for item in gold]
    if not (left and right):
        return 0.0
    credits = np.array([[_credit(one, other) for other in right] for one in left])
    return float(credits[linear_sum_assignment(credits, maximize=True)].sum())


def _split(item: Any) -> tuple[str, str, Counter[str]]:
    type_, term = item if isinstance(item, tuple) else ("", item)
    return type_, term, Counter(tokens(term))


def _credit(one: tuple[str, str, Counter[str]], other: tuple[str, str, Counter[str]]) -> float:
    if one[0] != other[0]:
        return 0.0
    return 1.0 if one[1] == other[1] else overlap_f1(one[2], other[2])


PARTIAL_F1 = Metric(_partial_count, _micro_compute)
"""Span F1 with credit for overlap, after the *partial* score of MUC-5 (Chinchor and Sundheim, 1993), which gives half a
point to every overlap; here the credit of a pair is the token F1 of the two terms, 0 for different types. Every term
stands in one pair at most, as in MUC; with C the largest sum of credits, ``2 sum C / (sum |P| + sum |T|)``."""

EXACT_MATCH = mean(lambda a: float(a.parsed.valid and a.given == a.gold))
"""The share of valid answers with exactly the gold items; for free text, of answers with the gold `normal` form."""

ACCURACY = mean(lambda a: float(a.given == a.gold))
"""The share of right labels, where one label is right."""

INVALID_RATE = mean(lambda a: float(not a.parsed.valid))
"""The share of answers that lack the requested form or name something outside the candidates."""
