"""What the paper's released script computes for the same prompts and answers (names with the prefix ``released_``).

Kept for comparability only. Its ROUGE takes a Chinese answer without spaces for one token, and its macro F1 is no mean
over classes. With prediction set P and target set T of a row:

* micro: ``precision = sum |P & T| / sum |P|``, ``recall = sum |P & T| / sum |T|``, and their harmonic mean.
* macro: the harmonic mean of the mean of ``|P & T| / |P|`` and the mean of ``|P & T| / |T|`` over rows.
* for NER both come from tags, see `ecomgpt.eval.metrics.released_ner`.

A perfect answer scores 1 but for spans of one character, which the script takes for an error. Where the script would
stop with an error (ROUGE of a text that holds nothing but periods, no entity on either side) this gives 0.
"""

from collections.abc import Sequence

import numpy as np

from ecomgpt.eval.metrics.base import Metric, f1, mean, ratio
from ecomgpt.eval.metrics.released_rouge import rouge_l
from ecomgpt.eval.rows import Answer

ERROR = "error"


def cleaned(answer: Answer) -> str:
    """The prediction as its ROUGE sees it: the script's replacement for empty answers, and its cleaning of labels."""
    text, kind = answer.text, answer.row.kind
    if kind == "CLS":
        return text.strip().replace(".", "") if text else ERROR
    empty = {"Condition_Extract": len(text.strip()) <= 1, "Extract": not text.replace(".", "").strip()}.get(
        kind, not text
    )
    return ERROR if empty else text


def sets(answer: Answer) -> tuple[set[str], set[str]]:
    """P and T of a row, for every kind but NER."""
    given, gold, separator = cleaned(answer), answer.row.target, answer.row.separator
    if answer.row.kind == "Condition_Extract":
        gold = gold or ERROR
    elif answer.row.kind != "CLS":
        given, gold = given.strip(), gold.strip()
    if answer.row.kind == "Generate":
        return set(given), set(gold)
    return set(given.split(separator)), set(gold.split(separator))


def _set_count(answers: Sequence[Answer], names: Sequence[str]) -> np.ndarray:
    rows = []
    for answer in answers:
        given, gold = sets(answer)
        both = len(given & gold)
        rows.append(
            (both, len(given), len(gold), both / len(given) if given else 0.0, both / len(gold) if gold else 0.0, 1.0)
        )
    return np.array(rows, float).reshape(-1, 6)


def _set_micro(sums: np.ndarray) -> np.ndarray:
    return f1(ratio(sums[..., 0], sums[..., 1]), ratio(sums[..., 0], sums[..., 2]))


def _set_macro(sums: np.ndarray) -> np.ndarray:
    return f1(ratio(sums[..., 3], sums[..., 5]), ratio(sums[..., 4], sums[..., 5]))


MICRO_F1 = Metric(_set_count, _set_micro)
MACRO_F1 = Metric(_set_count, _set_macro)
ROUGE_L = mean(lambda answer: rouge_l(cleaned(answer), answer.row.target))
"""The mean F of ROUGE-L as the PyPI package ``rouge`` 1.0.1 computes it."""
