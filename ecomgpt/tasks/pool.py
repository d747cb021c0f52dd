"""The records of one block, from which recombination takes real distractors.

A row depends on the seed, its own id and its block, never on the other tasks: the pool holds every record of the block
and answers by kind, language and the split that the authors cut, so that nothing of a test record reaches a training
row.
"""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from ecomgpt.common.text import HAN
from ecomgpt.sources.records import Record

R = TypeVar("R", bound=Record)
T = TypeVar("T")

_WORD = re.compile(f"[a-z0-9]{{3,}}|[{HAN}]")


class Pool:
    """Indexes over a block of records, each built when it is first asked for."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self._made: dict[tuple[str, ...], Any] = {}

    def same(self, record: R, name: str = "", key: Callable[[R], Hashable] = lambda record: "") -> list[R]:
        """The records of the same kind, language, split and key, the record itself included, in the source's order.

        Args:
            record: Whose like are wanted.
            name: Names the key, so that its index is built once per block.
            key: What must be equal, such as the category.
        """
        kind = type(record)

        def index() -> dict[Hashable, list[R]]:
            found: dict[Hashable, list[R]] = {}
            for other in self._records:
                if type(other) is kind:
                    found.setdefault((other.language, other.split, key(other)), []).append(other)
            return found

        return self._once((kind.__name__, name), index).get((record.language, record.split, key(record)), [])

    def vocabulary(self, record: R, name: str, values: Callable[[R], Sequence[str]]) -> list[str]:
        """All values of the like records, distinct, in the source's order: wrong ones are drawn from them."""
        place = (type(record).__name__, name, record.language, record.split, "values")
        return self._once(
            place, lambda: list(dict.fromkeys(value for other in self.same(record) for value in values(other)))
        )

    def tally(self, record: R, name: str, answer: Callable[[R], Hashable | None]) -> Counter[Hashable]:
        """How often each answer is right among the like records; None, "does not apply", is not counted.

        Args:
            record: Whose like are meant.
            name: Names the answer, so that the count is made once per block.
            answer: A record's right answer.
        """
        place = (type(record).__name__, name, record.language, record.split, "tally")
        return self._once(
            place, lambda: Counter(right for other in self.same(record) if (right := answer(other)) is not None)
        )

    def _once(self, place: tuple[str, ...], make: Callable[[], Any]) -> Any:
        if place not in self._made:
            self._made[place] = make()
        return self._made[place]


def overlap(left: str, right: str) -> float:
    """The share of the left text's words (Chinese: characters) that the right text has too: 0.0 to 1.0.

    Words of one or two letters carry too little meaning to count.
    """
    words = set(_WORD.findall(left.casefold()))
    return len(words & set(_WORD.findall(right.casefold()))) / len(words) if words else 0.0


def states(text: str, value: str) -> bool:
    """Whether a text states a value for everyone to see: as whole words, and not as a single character.

    >>> states("bored of red shoes", "red"), states("bored", "red"), states("显瘦的版型", "显瘦"), states("潮流", "潮")
    (True, False, True, False)
    """
    at = text.find(value) if len(value) > 1 else -1
    while at >= 0:
        before, after = text[:at][-1:], text[at + len(value) :][:1]
        if not (_joins(before, value[0]) or _joins(value[-1], after)):
            return True
        at = text.find(value, at + 1)
    return False


def _joins(left: str, right: str) -> bool:
    """Whether two neighbouring characters belong to one word of a script that writes blanks between words."""
    return left.isascii() and right.isascii() and left.isalnum() and right.isalnum()


def points_to(text: str, right: str, wrong: Sequence[str] = ()) -> bool:
    """Whether a text names something of the right title that no wrong title has; otherwise, a choice is a guess.

    Words of four letters and more count, and pairs of Chinese characters.
    """
    own = _marks(right) - {mark for title in wrong for mark in _marks(title)}
    return bool(own & _marks(text))


def _marks(text: str) -> set[str]:
    folded = text.casefold()
    pairs = {run[at : at + 2] for run in _CHINESE.findall(folded) for at in range(len(run) - 1)}
    return pairs | {word.removesuffix("s") for word in _LONG.findall(folded)}


_CHINESE = re.compile(f"[{HAN}]+")
_LONG = re.compile(r"[a-z0-9]{4,}")
