"""ROUGE-L exactly as the PyPI package ``rouge`` 1.0.1 computes it, which the paper's released script calls.

Texts are cut at ``.`` into sentences and at white space into words, and *sets* of words are counted. For each gold
sentence the union of its longest common subsequences with all given sentences is taken; the words new to the union over
all gold sentences are the matches m: ``P = m / given words``, ``R = m / gold words``, ``F = 2 P R / (P + R + 1e-8)``.
The package raises on a text without any sentence; such a row scores 0 here.
"""

import numpy as np


def rouge_l(given: str, gold: str) -> float:
    """F of a prediction against a target."""
    left, right = _sentences(given), _sentences(gold)
    if not left or not right:
        return 0.0
    union: set[str] = set()
    for sentence in right:
        for other in left:
            union |= _common(sentence, other)
    given_words = {word for sentence in left for word in sentence}
    gold_words = {word for sentence in right for word in sentence}
    precision, recall = len(union) / len(given_words), len(union) / len(gold_words)
    return 2.0 * precision * recall / (precision + recall + 1e-8)


def _sentences(text: str) -> list[list[str]]:
    # A sentence of white space alone counts as one empty word, as in the package.
    return [" ".join(part.split()).split(" ") for part in text.split(".") if part]


def _common(one: list[str], other: list[str]) -> set[str]:
    """The words of the longest common subsequence that the package's way back through the table finds."""
    if one == other or set(one).isdisjoint(other):
        return set(one) & set(other)
    table = _table(one, other)
    found: set[str] = set()
    i, j = len(one), len(other)
    while i and j:
        if one[i - 1] == other[j - 1]:
            found.add(one[i - 1])
            i, j = i - 1, j - 1
        elif table[i - 1, j] > table[i, j - 1]:
            i -= 1
        else:
            j -= 1
    return found


def _table(one: list[str], other: list[str]) -> np.ndarray:
    """Lengths of longest common subsequences of all pairs of prefixes, a row of the table at a time."""
    numbers = {word: at for at, word in enumerate(dict.fromkeys(one + other))}
    columns = np.array([numbers[word] for word in other])
    table = np.zeros((len(one) + 1, len(other) + 1), np.int32)
    for i, word in enumerate(one, start=1):
        # Along a row the table is a running maximum of what comes from above and from the diagonal.
        diagonal = table[i - 1, :-1] + (columns == numbers[word])
        np.maximum.accumulate(np.maximum(table[i - 1, 1:], diagonal), out=table[i, 1:])
    return table
