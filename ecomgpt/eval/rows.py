"""One evaluation row, and one answered row: what decoding reads and what every metric sees."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ecomgpt.common.hashing import digest
from ecomgpt.common.text import folded
from ecomgpt.tasks.answers import SEPARATOR, Items, Parsed, normal, parse
from ecomgpt.tasks.instruction import Instruction
from ecomgpt.tasks.prompt import Prompt

KINDS: dict[str, str] = {
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
        kind: The task type, a key of `KINDS`.
        separator: Between the parts of a list.
        language: ``en`` or ``zh``.
        source: The dataset's name.
        record: The record that it was made from; empty where that is not known.
        gold: The target as `ecomgpt.tasks.answers.parse` reads it. Both sides of a comparison go through the same
            reading, so a gold term that contains a separator counts as its parts, in the gold answer as in a
            prediction.
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
    gold: Items = field(init=False)

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
        object.__setattr__(self, "gold", parse(self.form, self.target, self.candidates, self.separator).items)


def from_instruction(instruction: Instruction, task: str, kind: str | None = None) -> EvalRow:
    """An evaluation row of a task of our own engine.

    Args:
        instruction: A row that training did not see.
        task: The evaluation task's name.
        kind: A key of `KINDS`; None takes what fits the answer's form. A choice among texts of the input is to answer
            with words of the input, as the released product selection is.
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
        return parse(self.row.form, self.text, self.row.candidates, self.row.separator)

    @cached_property
    def given(self) -> frozenset:
        """The items that were given, in the form in which they are compared."""
        return comparable(self.parsed.items)

    @cached_property
    def gold(self) -> frozenset:
        """The items that were asked for, in the same form."""
        return comparable(self.row.gold)


def comparable(items: Sequence[Any]) -> frozenset:
    """Items as a set in which two spellings of one name are equal."""
    return frozenset((item[0], _key(item[1])) if isinstance(item, tuple) else _key(item) for item in items)


def _key(name: str) -> str:
    return normal(name) or name
