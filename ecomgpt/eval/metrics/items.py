"""Metrics over the items of an answer: labels, terms, typed terms. All compare by `ecomgpt.tasks.answers.normal`.

With ``T`` the set of gold items of a row, ``P`` the set of given ones (what matches no candidate counts as a wrong
item):
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ecomgpt.eval.metrics.base import Metric, f1, macro_f1, mean, per_class, ratio
from ecomgpt.eval.metrics.tokens import overlap_f1, tokens
from ecomgpt.eval.rows import Answer
from ecomgpt.tasks.answers import normal


def _micro_count(answers: Sequence[Answer], names: Sequence[str]) -> np.ndarray:
    return np.array([[len(a.given & a.gold), len(a.given), len(a.gold)] for a in answers], float).reshape(-1, 3)


def _micro_compute(sums: np.ndarray) -> np.ndarray:
    return ratio(2 * sums[..., 0], sums[..., 1] + sums[..., 2], empty=1.0)


MICRO_F1 = Metric(_micro_count, _micro_compute)
"""``2 sum |P & T| / (sum |P| + sum |T|)``, sums over rows; 1 where nothing was expected and nothing given. For terms
and typed terms this is the strict span F1 of Tjong Kim Sang and De Meulder (2003), over distinct terms instead of
positions, because an answer names terms, not offsets; for single labels that are always given it equals accuracy."""


def classes(answers: Sequence[Answer]) -> list[str]:
    """The classes of a task: the candidates of all rows (labels, or types of typed terms), else the gold labels."""
    offered = {name for answer in answers for name in answer.row.candidates}
    if offered:
        return sorted({normal(name) or name for name in offered})
    return sorted({_class(item) for answer in answers for item in answer.gold})


def _class(item: Any) -> str:
    return (normal(item[0]) or item[0]) if isinstance(item, tuple) else item


def _found(answer: Answer) -> list[list[str]]:
    return [list(map(_class, items)) for items in (answer.given & answer.gold, answer.given, answer.gold)]


MACRO_F1 = Metric(per_class(_found), partial(macro_f1, empty=1.0), classes)
"""The mean over classes of each class's ``2 tp / (2 tp + fp + fn)``, as scikit-learn's ``f1_score(average="macro")``:
over the classes that occur in the gold or the given answers. A class is a label, or a type of typed terms. An answer
outside the classes is a miss of the gold class and no class of its own."""


def _partial_count(answers: Sequence[Answer], names: Sequence[str]) -> np.ndarray:
    return np.array([_partial_sums(a.given, a.gold) for a in answers], float).reshape(-1, 4)


def _partial_sums(given: frozenset, gold: frozenset) -> tuple[float, int, float, int]:
    left, right = [_split(item) for item in given], [_split(item) for item in gold]
    found = sum(max((_credit(one, other) for other in right), default=0.0) for one in left)
    recalled = sum(max((_credit(one, other) for other in left), default=0.0) for one in right)
    return found, len(left), recalled, len(right)


def _split(item: Any) -> tuple[str, str, Counter[str]]:
    type_, term = item if isinstance(item, tuple) else ("", item)
    return type_, term, Counter(tokens(term))


def _credit(one: tuple[str, str, Counter[str]], other: tuple[str, str, Counter[str]]) -> float:
    if one[0] != other[0]:
        return 0.0
    return 1.0 if one[1] == other[1] else overlap_f1(one[2], other[2])


def _partial_compute(sums: np.ndarray) -> np.ndarray:
    nothing = (sums[..., 1] + sums[..., 3]) == 0
    scores = f1(ratio(sums[..., 0], sums[..., 1]), ratio(sums[..., 2], sums[..., 3]))
    return np.where(nothing, 1.0, scores)


PARTIAL_F1 = Metric(_partial_count, _partial_compute)
"""Span F1 with credit for overlap, after the *partial* score of MUC-5 (Chinchor and Sundheim, 1993), which gives half a
point to every overlap; here the credit of a pair is the token F1 of the two terms, 0 for different types. Each given
term takes its best gold term (precision), each gold term its best given one (recall)."""

EXACT_MATCH = mean(
    lambda a: (
        float(normal(a.text) == normal(a.row.target))
        if a.row.form == "text"
        else float(a.parsed.valid and a.given == a.gold)
    )
)
"""The share of valid answers with exactly the gold items; for free text, of answers with the gold `normal` form."""

ACCURACY = mean(lambda a: float(a.given == a.gold))
"""The share of right labels, where one label is right."""

INVALID_RATE = mean(lambda a: float(not a.parsed.valid))
"""The share of answers that lack the requested form or name something outside the candidates."""
