"""What a builder gets and what it gives back: the contract between the engine and the small functions in ``build/``."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

from ecomgpt.tasks.answers import Items
from ecomgpt.tasks.pool import Pool, R, T

if TYPE_CHECKING:
    from ecomgpt.sources.dataset import Dataset


@dataclass(slots=True)
class Draft:
    """One instruction before it is put into words.

    Attributes:
        input: The text to work on; the only part of a prompt that may later be cut.
        answer: The gold items, as the task's form wants them.
        candidates: The closed set; empty for open answers. The engine shuffles it.
        slots: Values for the wording's slots, besides ``{candidates}``, which the engine fills.
    """

    input: str
    answer: Items
    candidates: Sequence[str] = ()
    slots: dict[str, str] = field(default_factory=dict)


Built: TypeAlias = Draft | list[Draft] | str
"""What a builder returns: one draft, several, or the reason why the record gives none (for the counts)."""


@dataclass(slots=True)
class Context:
    """What a builder may use besides the record.

    Attributes:
        dataset: The record's source.
        options: The task's own settings.
        candidates: The task's own closed set in the wording's language, first what holds.
        chinese: Whether the wording is Chinese; then the names of the fields in the input are Chinese too.
        random: A generator seeded by the row's id.
        pool: The other records of the block.
    """

    dataset: "Dataset"
    options: dict[str, Any]
    candidates: tuple[str, ...]
    chinese: bool
    random: Random
    pool: Pool

    def fields(self, **values: str) -> str:
        """``Title: ...`` and so on, one line per field; underscores in names become blanks."""
        lines = []
        for key, value in values.items():
            name = key.replace("_", " ")
            # A list begins on its own line; no blank is left at the end of the first.
            blank = "" if self.chinese or value.startswith("\n") else " "
            lines.append(f"{FIELDS[name]}：{value}" if self.chinese else f"{name}:{blank}{value}")
        return "\n".join(lines)

    def coin(self) -> bool:
        """Heads or tails, for the balance of yes and no."""
        return self.random.random() < 0.5

    def yes_no(self, text: str, holds: bool, **slots: str) -> Draft:
        """The draft of a yes-or-no task: the first candidate holds, the second does not."""
        return Draft(text, (self.candidates[0 if holds else 1],), self.candidates, slots)

    def check(self, text: str, right: str, wrong: Sequence[str], slot: str, **slots: str) -> Draft:
        """The draft of a yes-or-no task on a name: a slot holds the right one or, in half of the rows, a wrong one."""
        holds = self.coin()
        return self.yes_no(text, holds, **slots, **{slot: right if holds else self.random.choice(wrong)})

    def draw(self, items: Sequence[T], fits: Callable[[T], bool], count: int = 1) -> list[T]:
        """Up to ``count`` different items that fit, drawn at random; fewer where few attempts find no more.

        The number of attempts is bounded, so that a large block costs no more than a small one.
        """
        if len(items) <= TRIES:
            drawn = iter(self.random.sample(items, len(items)))
        else:
            drawn = (items[int(self.random.random() * len(items))] for _ in range(TRIES * count))
        found: list[T] = []
        for item in drawn:
            if item not in found and fits(item):
                found.append(item)
                if len(found) == count:
                    break
        return found

    def others(self, record: R, fits: Callable[[R], bool], count: int = 1) -> list[R]:
        """Draws from the records of the block that have the kind, language and split of this one."""
        return self.draw(self.pool.same(record), fits, count)

    def too_common(self, record: R, name: str, answer: Callable[[R], Hashable | None]) -> bool:
        """Whether to leave a record out for balance, as the task's option ``balance`` asks.

        A common answer is kept so often that, over the block, it is right at most ``balance`` times as often as the
        rarest. Where there is only one answer, a yes-or-no task (``balance: 1``) teaches nothing and a record is left
        out.

        Args:
            record: The record.
            name: Names the answer.
            answer: A record's right answer; None where the task does not apply.
        """
        ratio = self.options.get("balance")
        if ratio is None:
            return False
        counts = self.pool.tally(record, name, answer)
        if len(counts) < 2:
            return bool(ratio == 1)
        return self.random.random() * counts[answer(record)] >= ratio * min(counts.values())

    def shortlist(self, names: Sequence[str], right: Sequence[str], most: int = 24) -> str:
        """Names for a slot, as one line in random order: all of them, or the right ones and as many others as fit."""
        chosen = list(names)
        if len(chosen) > most:
            wrong = [name for name in chosen if name not in right]
            chosen = [*right, *self.random.sample(wrong, min(len(wrong), max(0, most - len(right))))]
        self.random.shuffle(chosen)
        return ", ".join(chosen)

    def labels(self, axis: str, language: str) -> tuple[str, ...]:
        """The closed set that the dataset declares for an axis; empty where it declares none."""
        return tuple(self.dataset.candidates(axis, language))


FIELDS: dict[str, str] = {
    "Title": "标题",
    "Brand": "品牌",
    "Category": "类目",
    "Attributes": "属性",
    "Description": "描述",
    "Review": "评论",
    "Rating": "评分",
    "Question": "问题",
    "Answer": "回答",
    "Context": "背景",
    "Query": "搜索词",
    "Product": "商品",
    "Products": "商品列表",
    "Titles": "标题列表",
    "Reviews": "评论列表",
    "Questions": "问题列表",
    "Answers": "回答列表",
    "Documents": "候选文档",
    "Queries": "搜索词列表",
    "Texts": "文本列表",
    "Text": "文本",
    "Dialogue": "对话",
    "Next utterance": "下一句",
    "Candidates": "候选",
    "Opinions": "观点",
    "Entities": "实体",
    "Label": "标签",
    "Intent": "意图",
    "Facts": "要点",
}
"""The Chinese names of fields in inputs."""


TRIES = 12
"""Attempts to draw an item that fits."""

CHOICES = 4
"""Texts to choose from in a recombined task."""

LONGEST_CHOICE = 300
"""Characters of a text to choose from: several long ones would not fit a prompt, and a cut one can't be chosen."""

TOO_COMMON = "balance: other records of the block have this answer already"


def listed(items: Sequence[str]) -> str:
    """Candidates as numbered lines inside an input, where a comma could belong to one of them."""
    return "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))


def pick(context: Context, right: str, wrong: Sequence[str], field_name: str, **given: str) -> Built:
    """A choice among texts: the given fields, then the texts in random order; the answer is the right text itself.

    Args:
        context: As the builder got it.
        right: The text that fits.
        wrong: Texts that certainly do not fit.
        field_name: How the list of texts is called, a key of `FIELDS`.
        **given: Fields that stand before the list, and decide.
    """
    if len(right) > LONGEST_CHOICE:
        return "the text is too long to choose from"
    right = one_line(right)
    texts = list(dict.fromkeys([right, *(one_line(text) for text in wrong if len(text) <= LONGEST_CHOICE)]))
    if len(texts) < 2:
        return "the block has no other text that fits the comparison"
    context.random.shuffle(texts)
    return Draft(context.fields(**given, **{field_name: "\n" + listed(texts)}), (right,), texts)


def single_valued(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The names with their value, without those that have several."""
    found: dict[str, set[str]] = {}
    for name, value in pairs:
        found.setdefault(name, set()).add(value)
    return {name: next(iter(values)) for name, values in found.items() if len(values) == 1}


def one_line(text: str) -> str:
    """A text without line ends, so that it is one item of a list."""
    return " ".join(text.split())
