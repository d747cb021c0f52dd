"""NER as the paper's released script scores it: answers become tags on characters, seqeval compares the tags.

For each type in the answer's order and each of its terms but ``None``, every occurrence in the text is written as
``B-type`` and ``I-type`` over what stood there. Entities are read from the tags as
``seqeval.metrics.classification_report`` does by default (conlleval); micro and macro F1 are its ``micro avg`` and
``macro avg``.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ecomgpt.eval.metrics.base import Metric, macro_f1, per_class, ratio
from ecomgpt.eval.rows import Answer


def terms_by_type(text: str, separator: str) -> dict[str, dict[str, None]]:
    """The lines ``Type: term, term``, cut at the first ``: ``. The script gathers terms in a set, whose order is
    chance; here they keep the order in which they first appear, but for the empty term: ``hash("")`` is 0, so a
    CPython set yields it first."""
    found: dict[str, dict[str, None]] = {}
    for line in text.split("\n"):
        type_, colon, terms = line.partition(": ")
        if colon and not line.endswith(": "):
            found.setdefault(type_, {}).update(dict.fromkeys(terms.split(separator)))
    return {type_: dict.fromkeys(sorted(terms, key=bool)) for type_, terms in found.items()}


def tag(text: str, types: dict[str, dict[str, None]]) -> list[str]:
    """One tag per character: ``O``, ``B-type`` or ``I-type``; an empty term occurs, and writes ``B-``, everywhere."""
    tags = ["O"] * len(text)
    for type_, terms in types.items():
        for term in terms:
            if term == "None":
                continue
            if not term:
                tags = [f"B-{type_}"] * len(text)
                continue
            start = text.find(term)
            while start >= 0:
                tags[start : start + len(term)] = [f"B-{type_}"] + [f"I-{type_}"] * (len(term) - 1)
                start = text.find(term, start + 1)
    return tags


def entities(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """(type, first, last) of every entity: one starts at each ``B-`` and wherever the type changes."""
    found: set[tuple[str, int, int]] = set()
    start = 0
    for end in range(1, len(tags) + 1):
        if end < len(tags) and tags[end][0] == "I" and tags[end][2:] == tags[start][2:] and tags[start] != "O":
            continue
        if end < len(tags) and tags[end] == tags[start] == "O":
            start = end
            continue
        if tags[start] != "O":
            # seqeval calls the type without a name "_".
            found.add((tags[start][2:] or "_", start, end - 1))
        start = end
    return found


def _entities(answer: Answer) -> tuple[frozenset[tuple[str, int, int]], frozenset[tuple[str, int, int]]]:
    """What the script reads from the given answer and from the gold one."""
    text, separator = answer.row.text, answer.row.separator
    return _read(text, answer.text or "error", separator), _read(text, answer.row.target, separator)


@lru_cache(maxsize=4096)
def _read(text: str, answer: str, separator: str) -> frozenset[tuple[str, int, int]]:
    return frozenset(entities(tag(text, terms_by_type(answer, separator))))


def types(answers: Sequence[Answer]) -> list[str]:
    """The types that occur in given or gold answers."""
    return sorted({type_ for answer in answers for found in _entities(answer) for type_, _, _ in found})


def _found(answer: Answer) -> list[list[str]]:
    given, gold = _entities(answer)
    return [[type_ for type_, _, _ in found] for found in (given & gold, given, gold)]


def _micro(sums: np.ndarray) -> np.ndarray:
    matched, given, gold = (sums[..., part::3].sum(-1) for part in range(3))
    return ratio(2 * matched, given + gold)


MICRO_F1 = Metric(per_class(_found), _micro, types)
"""F1 over all entities."""

MACRO_F1 = Metric(per_class(_found), macro_f1, types)
"""The mean over the types that occur of each type's F1."""
