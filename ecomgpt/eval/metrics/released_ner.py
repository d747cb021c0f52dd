"""NER as the paper's released script scores it: answers become tags on characters, seqeval compares the tags.

For each type in the answer's order and each of its terms but ``None``, every occurrence in the text is written as ``B-type``
and ``I-type`` over what stood there. Entities are read from the tags as ``seqeval.metrics.classification_report`` does by
default (conlleval); micro and macro F1 are its ``micro avg`` and ``macro avg``.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ecomgpt.eval.metrics.base import ratio
from ecomgpt.eval.rows import Answer


def terms_by_type(text: str, separator: str) -> dict[str, dict[str, None]]:
    """The lines ``Type: term, term``, cut at the first ``: ``. The script gathers terms in a set, whose order is chance;
    here they keep the order in which they first appear."""
    found: dict[str, dict[str, None]] = {}
    for line in text.split("\n"):
        type_, colon, terms = line.partition(": ")
        if colon and not line.endswith(": "):
            found.setdefault(type_, {}).update(dict.fromkeys(terms.split(separator)))
    return found


def tag(text: str, types: dict[str, dict[str, None]]) -> list[str]:
    """One tag a character: ``O``, ``B-type`` or ``I-type``. An empty term occurs everywhere, so it writes ``B-`` everywhere."""
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


def update(answers: Sequence[Answer]) -> np.ndarray:
    """(answers, types * 3): for each type that occurs, entities matched, given, gold."""
    rows: list[tuple[Counter[str], Counter[str], Counter[str]]] = []
    for answer in answers:
        text, separator = answer.row.text, answer.row.separator
        given = entities(tag(text, terms_by_type(answer.text or "error", separator)))
        gold = entities(tag(text, terms_by_type(answer.row.target, separator)))
        rows.append((_types(given & gold), _types(given), _types(gold)))
    names = sorted({name for row in rows for part in row for name in part})
    counts = np.array([[[part[name] for part in row] for name in names] for row in rows], float)
    return counts.reshape(len(rows), -1)


def _types(found: set[tuple[str, int, int]]) -> Counter[str]:
    return Counter(type_ for type_, _, _ in found)


def micro(sums: np.ndarray) -> np.ndarray:
    """F1 over all entities."""
    matched, given, gold = _parts(sums)
    return ratio(2 * matched.sum(-1), given.sum(-1) + gold.sum(-1))


def macro(sums: np.ndarray) -> np.ndarray:
    """The mean over the types that occur of each type's F1."""
    matched, given, gold = _parts(sums)
    occurring = (given + gold) > 0
    return ratio(ratio(2 * matched, given + gold).sum(-1), occurring.sum(-1))


def _parts(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    by_type = sums.reshape(*sums.shape[:-1], -1, 3)
    return by_type[..., 0], by_type[..., 1], by_type[..., 2]
