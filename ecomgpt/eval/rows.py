"""One evaluation row, and one answered row: what decoding reads and what every metric sees."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from ecomgpt.common.hashing import digest
from ecomgpt.common.text import folded
from ecomgpt.tasks.answers import SEPARATOR, Items, Parsed, normal, parse
from ecomgpt.tasks.instruction import Instruction
from ecomgpt.tasks.prompt import Prompt

TASK_TYPES: dict[str, str] = {
    "CLS": "choose among candidates",
    "NER": "find typed terms",
    "Condition_Extract": "find terms",
    "Extract": "answer with words of the input",
    "Generate": "write free text",
}
"""The task types of the released data; each has its own released scoring."""

_KIND_OF_FORM = {
    "label": "CLS",
    "labels": "CLS",
    "typed_spans": "NER",
    "spans": "Condition_Extract",
    "text": "Generate",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRow:
    """A question with its gold answer.

    Attributes:
        id: Unique within the task and the same in every run.
        task: The evaluation task's name.
        prompt: What the model reads.
        target: The gold answer as text.
        candidates: The closed set: the labels that the prompt offers, or the types of typed spans; empty for open
            answers.
        form: The answer's form, a key of `ecomgpt.tasks.answers.FORMS`.
        kind: The task type, a key of `TASK_TYPES`.
        separator: Between the parts of a list.
        language: ``en`` or ``zh``.
        source: The dataset's name.
        record: The record that it was made from; empty where that is not known.
        gold: The labels, where the data name them; otherwise the target as `ecomgpt.tasks.answers.parse` reads it. Both
            sides of a comparison of terms go through the same reading, so a gold term that contains a separator counts
            as its parts, in the gold answer as in a prediction.
    """

    id: str
    task: str
    prompt: Prompt
    target: str
    candidates: tuple[str, ...] = ()
    form: str = "text"
    kind: str = "Generate"
    separator: str = SEPARATOR
    language: str = "en"
    source: str = ""
    record: str = ""
    gold: Items = ()

    @property
    def text(self) -> str:
        """The input text alone."""
        return self.prompt.input

    @property
    def text_key(self) -> str:
        """What the row is about, in whatever task and words: rows of one key are not independent of each other."""
        text = " ".join(folded(self.text).split()) or self.prompt.text
        return digest(f"{self.source}\0{self.record or text}")

    def __post_init__(self) -> None:
        if not self.gold:
            object.__setattr__(self, "gold", parse(self.form, self.target, self.candidates, self.separator).items)


def from_instruction(instruction: Instruction, task: str, kind: str | None = None) -> EvalRow:
    """An evaluation row of a task of our own engine.

    Args:
        instruction: A row that training did not see.
        task: The evaluation task's name.
        kind: A key of `TASK_TYPES`; None takes what fits the answer's form. A choice among texts of the input is to
            answer with words of the input, as the released product selection is.
    """
    offered = all(one in instruction.prompt.after for one in instruction.candidates)
    among_texts = instruction.form == "label" and not offered
    return EvalRow(
        id=instruction.id,
        task=task,
        prompt=instruction.prompt,
        target=instruction.target,
        candidates=instruction.candidates,
        form=instruction.form,
        kind=kind or ("Extract" if among_texts else _KIND_OF_FORM[instruction.form]),
        language=instruction.language,
        source=instruction.source,
        record=instruction.record,
    )


@dataclass(frozen=True)
class Answer:
    """A row with what a model, a baseline or a person wrote.

    Attributes:
        row: The question.
        text: The raw text.
        cut: How many prompt tokens were cut off.
    """

    row: EvalRow
    text: str
    cut: int = 0

    @cached_property
    def parsed(self) -> Parsed:
        row = self.row
        # "Food, Drinks" may be two labels or one that is called so: what is written as the target is, means the target.
        if row.form in ("label", "labels") and row.gold and self.text.strip() == row.target.strip():
            return Parsed(row.gold, True)
        return _parse(row.form, self.text, row.candidates, row.separator)

    @cached_property
    def given(self) -> frozenset:
        """The items that were given, in the form in which they are compared; an answer that can't be read counts as one
        wrong item, so that silence never scores better than a wrong answer."""
        parsed = self.parsed
        return NOTHING_READ if not parsed.valid and not parsed.items else _comparable(self.row, parsed.items)

    @cached_property
    def gold(self) -> frozenset:
        """The items that were asked for, in the same form."""
        return _comparable(self.row, self.row.gold)


_parse = lru_cache(maxsize=1024)(parse)
"""Many rows get the same answer, above all from baselines."""

NOTHING_READ = frozenset([("", "")])
"""What is compared for an answer without a single item that could be read: one item that is never gold."""


def _comparable(row: EvalRow, items: Items) -> frozenset:
    """Items as a set in which two spellings of one name are equal. Of a closed set they are compared as the candidates
    that were chosen: two candidates may differ in spelling alone."""
    closed = bool(row.candidates)
    if row.form == "typed_spans":
        return frozenset((item[0] if closed else _key(item[0]), _key(item[1])) for item in items)
    if closed and row.form in ("label", "labels"):
        return frozenset(items)
    return frozenset(map(_key, items))


def _key(name: Any) -> str:
    return normal(name) or name
