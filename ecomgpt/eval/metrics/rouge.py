"""ROUGE and token F1 on `tokens`, valid for Chinese and English. Each is the mean over rows.

Lin (2004), "ROUGE: A package for automatic evaluation of summaries", with F at equal weights. With P and R the shares
of the answer's and the target's n-grams that are matched (ROUGE-n), or of tokens in their longest common subsequence
(ROUGE-L): ``F = 2 P R / (P + R)``. No stemming, no stop words. Same values as ``rouge_score`` with this tokenizer.
"""

from collections import Counter

from ecomgpt.eval.metrics.base import Metric, mean
from ecomgpt.eval.metrics.tokens import overlap_f1, tokens
from ecomgpt.eval.rows import Answer


def rouge_n(one: str, other: str, n: int) -> float:
    """ROUGE-n F, 0 where a text is too short for any n-gram, as in ``rouge_score``."""
    return overlap_f1(_grams(tokens(one), n), _grams(tokens(other), n))


def rouge_l(one: str, other: str) -> float:
    """ROUGE-L F of two texts as one sentence each."""
    left, right = tokens(one), tokens(other)
    total = len(left) + len(right)
    return 2 * common(left, right) / total if total else 0.0


def common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """Length of the longest common subsequence, bit-parallel: Hyyro (2004), one big-integer step for each token."""
    if len(one) > len(other):
        one, other = other, one
    masks: dict[str, int] = {}
    for at, token in enumerate(one):
        masks[token] = masks.get(token, 0) | 1 << at
    everything = (1 << len(one)) - 1
    unmatched = everything
    for token in other:
        hits = unmatched & masks.get(token, 0)
        unmatched = ((unmatched + hits) | (unmatched - hits)) & everything
    return len(one) - unmatched.bit_count()


def _grams(found: tuple[str, ...], n: int) -> Counter:
    return Counter(zip(*(found[start:] for start in range(n)), strict=False))


def _rouge_n(n: int) -> Metric:
    return mean(lambda answer: rouge_n(answer.text, answer.row.target, n))


def _token_f1(answer: Answer) -> float:
    return overlap_f1(Counter(tokens(answer.text)), Counter(tokens(answer.row.target)))


ROUGE_1 = _rouge_n(1)
ROUGE_2 = _rouge_n(2)
ROUGE_L = mean(lambda answer: rouge_l(answer.text, answer.row.target))
TOKEN_F1 = mean(_token_f1)
"""SQuAD's F1 (Rajpurkar et al., 2016): common tokens, as bags, without dropping articles, which Chinese has not."""
