"""Keeps evaluation texts out of the training data: exact copies, copies inside longer texts, and near-duplicates."""

import html
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from ecomgpt.common.text import HAN, folded
from ecomgpt.config.schema.data import LeakConfig
from ecomgpt.tasks.instruction import Instruction

# Words of any script but Chinese as a whole, Chinese characters one by one; punctuation and case count nothing.
TOKEN = re.compile(rf"[{HAN}]|[^\W{HAN}]+")
INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff]")
"""Soft hyphens, zero-width blanks and joiners, marks of direction: they would cut words in two."""
SHORTEST = 4
"""Texts of fewer tokens ("great product") only count where they are the whole training text."""
SHORT = 8
"""Texts of fewer tokens occur in others by chance: they must make up at least half of a line of the training text."""
NEAR_LENGTH = 12
"""Shorter texts have too few words for some of them to be changed."""
NEAR_CANDIDATE = 0.2
"""A text that shares this much of an evaluation text's runs of `SHORTEST` tokens is looked at closely."""
NEAR_SAME = 0.8
"""A near-duplicate has this much of an evaluation text's tokens, in their order."""
COMMON = 64
"""Runs that stand in more evaluation texts than this say nothing about any of them."""
REMEMBERED = 4096
"""Texts whose verdict is kept at a time."""
EXAMPLES = 5
"""Ids of removed examples that are kept for each evaluation task."""


@dataclass
class Leaks:
    """What was removed, and why.

    Attributes:
        by_task: Examples by the evaluation task whose text they held.
        by_source: Examples by dataset and evaluation task.
        by_example_task: Examples by their own task, ``<dataset>.<task>``.
        examples: A few ids of each evaluation task, for people to look at.
    """

    by_task: Counter[str] = field(default_factory=Counter)
    by_source: dict[str, Counter[str]] = field(default_factory=dict)
    by_example_task: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, instruction: Instruction, against: str) -> None:
        """One more; ``against`` is the evaluation task."""
        one = Counter([against])
        self.merge(Leaks(one, {instruction.source: one}, Counter([instruction.task]), {against: [instruction.id]}))

    def merge(self, other: "Leaks") -> None:
        """Those of a later block."""
        self.by_task += other.by_task
        self.by_example_task += other.by_example_task
        for source, counter in other.by_source.items():
            self.by_source[source] = self.by_source.get(source, Counter()) + counter
        for task, ids in other.examples.items():
            self.examples[task] = (self.examples.get(task, []) + ids)[:EXAMPLES]


def tokens(text: str) -> list[str]:
    """A text's tokens for comparison: HTML entities resolved, folded, without punctuation and invisible characters."""
    if "&" in text:
        text = html.unescape(text)
    if not text.isascii():
        text = INVISIBLE.sub("", text)
    return TOKEN.findall(folded(text))


class Guard:
    """Finds evaluation texts in training texts.

    A training text leaks an evaluation text if it holds at least ``overlap`` of its n-grams (all of its tokens, where
    the evaluation text is shorter than n; a text of fewer than `SHORT` must make up half of a line), or if some stretch
    of it is the evaluation text but for a few words.

    Args:
        protected: Evaluation texts by task.
        settings: Length of the n-grams and overlap.
    """

    def __init__(self, protected: Iterable[tuple[str, str]], settings: LeakConfig) -> None:
        self.settings = settings
        self._sizes: list[int] = []
        self._tasks: list[str] = []
        self._index: dict[tuple[str, ...], list[int]] = defaultdict(list)
        # Which lengths of n-grams begin with these words: a text is scanned once, and most places end here.
        self._begins: dict[tuple[str, ...], set[int]] = defaultdict(set)
        # For near-duplicates: short runs with (text, place in it).
        self._runs: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
        self._words: list[tuple[str, ...]] = []
        self._whole: dict[tuple[str, ...], str] = {}
        self._known: dict[str, str | None] = {}
        if not settings.enabled:
            return
        for task, text in protected:
            words = tuple(tokens(text))
            if not words or words in self._whole:
                continue
            self._whole[words] = task
            if len(words) < SHORTEST:
                continue
            length = min(settings.ngram, len(words))
            grams = set(_grams(words, length))
            for gram in grams:
                self._index[gram].append(len(self._sizes))
                self._begins[gram[:SHORTEST]].add(length)
            if len(words) >= NEAR_LENGTH:
                for place, run in enumerate(_grams(words, SHORTEST)):
                    self._runs[run].append((len(self._sizes), place))
            self._words.append(words)
            self._sizes.append(len(grams))
            self._tasks.append(task)

    def __len__(self) -> int:
        return len(self._whole)

    def leak(self, text: str) -> str | None:
        """The evaluation task whose text this training text gives away, or None."""
        if not self._whole:
            return None
        # Neighbouring examples are often made from one record and show the same text.
        if text not in self._known:
            if len(self._known) > REMEMBERED:
                self._known.clear()
            self._known[text] = self._search(text)
        return self._known[text]

    def _search(self, text: str) -> str | None:
        words = tuple(tokens(text))
        if words in self._whole:
            return self._whole[words]
        found: set[tuple[str, ...]] = set()
        shifts: dict[int, list[int]] = defaultdict(list)
        for start in range(len(words) - SHORTEST + 1):
            run = words[start : start + SHORTEST]
            for length in self._begins.get(run, ()):
                gram = words[start : start + length]
                if gram in self._index:
                    found.add(gram)
            places = self._runs.get(run, ())
            if len(places) <= COMMON:
                for number, place in places:
                    shifts[number].append(start - place)
        hits = Counter(number for gram in found for number in self._index[gram])
        # Sorted, because the order of a set of texts is not the same in every process.
        for number, count in sorted(hits.items()):
            enough = count >= self.settings.overlap * self._sizes[number]
            if enough and (len(self._words[number]) >= SHORT or self._fills_a_line(text, number)):
                return self._tasks[number]
        return next((self._tasks[number] for number, shift in shifts.items() if self._near(words, number, shift)), None)

    def _fills_a_line(self, text: str, number: int) -> bool:
        """Whether a short evaluation text is more than a phrase within a longer sentence."""
        sought = self._words[number]
        lines = (tuple(tokens(line)) for line in (text, *text.split("\n")))
        return any(len(line) <= 2 * len(sought) and sought in _grams(line, len(sought)) for line in lines)

    def _near(self, words: tuple[str, ...], number: int, shifts: list[int]) -> bool:
        """Whether a stretch of a text is an evaluation text but for a few words.

        ``shifts`` says of each shared run how far it stands behind its place in the evaluation text.
        """
        sought = self._words[number]
        if len(shifts) < NEAR_CANDIDATE * (len(sought) - SHORTEST + 1):
            return False
        slack = len(sought) // 4
        start = sorted(shifts)[len(shifts) // 2] - slack
        stretch = words[max(0, start) : start + len(sought) + 2 * slack]
        blocks = SequenceMatcher(None, sought, stretch, autojunk=False).get_matching_blocks()
        return sum(block.size for block in blocks) >= NEAR_SAME * len(sought)


def _grams(words: tuple[str, ...], length: int) -> Iterable[tuple[str, ...]]:
    return (words[start : start + length] for start in range(len(words) - length + 1))
