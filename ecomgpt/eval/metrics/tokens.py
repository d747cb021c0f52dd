"""What a token is, in both languages, for ROUGE and token F1.

The rule: the text is brought to Unicode NFKC and case folded; each Chinese character and each Japanese kana is a token;
every other unbroken run of letters, digits and marks is a token (``wi-fi 6`` gives ``wi``, ``fi``, ``6``); all else
separates. A text that holds nothing but such separators is split at white space instead, so that it can still equal
itself.
"""

import re
import unicodedata
from collections import Counter
from functools import lru_cache

_CJK = "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_CJK}]|(?:[^\W_{_CJK}]|[\u0300-\u036f])+")


_LONGEST_KEPT = 4096


def tokens(text: str) -> tuple[str, ...]:
    """The text's tokens, in order.

    >>> tokens("GORE-TEX 防水鞋 42.5")
    ('gore', 'tex', '防', '水', '鞋', '42', '5')
    """
    # Several metrics ask for the same texts, so they are remembered, but not endless answers.
    return _kept(text) if len(text) <= _LONGEST_KEPT else _tokens(text)


def _tokens(text: str) -> tuple[str, ...]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return tuple(_TOKEN.findall(folded)) or tuple(folded.split())


_kept = lru_cache(maxsize=8192)(_tokens)


def overlap_f1(one: Counter[str], other: Counter[str]) -> float:
    """F1 of two bags of tokens: twice the common tokens over all tokens."""
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 0.0
