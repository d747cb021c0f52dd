"""What ``conf/pseudo/<name>.yaml`` says: which texts are labelled, with which words and labels, and what they become."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ecomgpt.chat.messages import Reply, Request
from ecomgpt.common.errors import UserError, suggestion
from ecomgpt.config.declare import load, option
from ecomgpt.config.roots import declarations
from ecomgpt.pseudo.answer import Axes, Rejected
from ecomgpt.pseudo.forms import FORMS, Form, Text
from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.records import KINDS, Dialogue, Product, Record, Search
from ecomgpt.tasks.builders.dialogues import CUSTOMERS
from ecomgpt.tasks.families import FAMILIES

LANGUAGES = ("en", "zh")
SLOT = re.compile(r"\{(\w+)\}")


@dataclass
class TextFrom:
    """Where texts come from: a kind of record and a view of it."""

    record: str = option("", "the kind of record", choices=list(KINDS))
    field: str = option("text", "which text of it, a key of ecomgpt.pseudo.declaration.VIEWS")
    axis: str | None = option(
        None, "only of datasets that declare labels on this axis, which tells reviews from messages"
    )


@dataclass
class Example:
    """A text with the right answer, shown to the model, and checked like a model's answer."""

    text: str = option("", "the text")
    answer: dict[str, Any] = option(factory=dict, help="the answer, as JSON")


@dataclass
class Labelling:
    """One labelling task."""

    name: str = option(help="the file's name without its ending")
    title: str = option(help="what is labelled, for people")
    family: str = option(help="the task family that the labels serve", choices=list(FAMILIES))
    texts: list[TextFrom] = option(help="which records give texts; the first that fits counts")
    form: str = option(
        help="what the answer holds and becomes, a key of ecomgpt.pseudo.forms.FORMS", choices=list(FORMS)
    )
    instruction: dict[str, str] = option(
        help="the system message by language; {axis} is replaced by that axis's labels"
    )
    examples: dict[str, list[Example]] = option(help="by language, at least one each")
    axes: dict[str, dict[str, list[str]]] = option(factory=dict, help="axis to the labels to choose from, by language")
    max_tokens: int = option(512, "the longest answer", low=16)

    def text_of(self, record: Record, dataset: Dataset) -> str | None:
        """The text of a record, or None where the labelling does not apply to it."""
        for one in self.texts:
            if type(record).__name__ == one.record and (one.axis is None or _speaks(record, one.axis, dataset)):
                return VIEWS[one.field](record)
        return None

    def applies(self, dataset: Dataset) -> bool:
        """Whether a dataset may hold texts for it."""
        return any(
            one.record in dataset.records and (one.axis is None or one.axis in _axes(dataset)) for one in self.texts
        )

    @property
    def made(self) -> Form:
        """What its answers hold and become."""
        return FORMS[self.form]

    def labels(self, language: str) -> Axes:
        """The labels to choose from in a language."""
        return {axis: labels[language] for axis, labels in self.axes.items()}

    def request(self, text: str, language: str) -> Request:
        """The question about one text; it stands in a message of its own, so that nothing in it is read as a slot."""
        axes = self.labels(language)
        system = SLOT.sub(lambda slot: ", ".join(axes[slot[1]]), self.instruction[language])
        messages = [("system", system.strip())]
        for example in self.examples[language]:
            messages += [("user", example.text), ("assistant", json.dumps(example.answer, ensure_ascii=False))]
        return Request((*messages, ("user", text)), self.max_tokens, self.made.shape.schema(axes))

    def record(self, text: Text, reply: Reply) -> Record:
        """The labelled record.

        Raises:
            Rejected: If the answer does not hold against the text.
        """
        return self.made.build(text, self.made.shape.items(reply, self.labels(text.record.language)))

    def digest(self) -> str:
        """Names everything that is said to the model besides the text: another prompt, another name."""
        from ecomgpt.common.hashing import value_hash

        return value_hash(
            [[self.request("", language).messages, self.request("", language).schema] for language in LANGUAGES]
        )


def _axes(dataset: Dataset) -> set[str]:
    return {axis.partition(".")[0] for axis in dataset.labels}


def _speaks(record: Record, axis: str, dataset: Dataset) -> bool:
    """Whether a text is of the sort that an axis stands for: it is labelled on it, or unlabelled in a dataset that has the axis."""
    labels = getattr(record, "labels", {})
    return axis in labels or (not labels and axis in _axes(dataset))


def turns(record: Record) -> str:
    """A conversation, one utterance a line."""
    assert isinstance(record, Dialogue)
    return "\n".join(f"{turn.speaker}: {' '.join(turn.text.split())}" for turn in record.turns)


def opening(record: Record) -> str:
    """What the customer wants: the longer of the first two messages, because the very first is often a greeting."""
    assert isinstance(record, Dialogue)
    said = [turn.text for turn in record.turns if turn.speaker in CUSTOMERS][:2]
    return max(said, key=len, default="")


def title_and_description(record: Record) -> str:
    """A product's title and description, one below the other."""
    assert isinstance(record, Product)
    return f"{record.title}\n{record.description}".strip()


def _query(record: Record) -> str:
    assert isinstance(record, Search)
    return record.query


VIEWS: dict[str, Callable[[Record], str]] = {
    "text": lambda record: getattr(record, "text", ""),
    "title": lambda record: getattr(record, "title", ""),
    "description": lambda record: getattr(record, "description", ""),
    "title_and_description": title_and_description,
    "context": lambda record: getattr(record, "context", ""),
    "query": _query,
    "turns": turns,
    "opening": opening,
}
"""The texts that a record may give."""


def load_labellings(names: list[str] | None = None, own: str | None = None) -> list[Labelling]:
    """The declared labelling tasks, by name.

    Args:
        names: Which; None for all.
        own: The user's own configuration folder; a file there replaces a shipped one of the same name.

    Raises:
        UserError: With all problems of all files, or the names that are unknown.
    """
    found: dict[str, Labelling] = {}
    problems: list[str] = []
    for path in declarations("pseudo", own):
        try:
            labelling = load(path, Labelling)
        except UserError as error:
            problems += error.problems
            continue
        problems += (f"{path}: {problem}" for problem in _problems(labelling, path.stem))
        found[labelling.name] = labelling
    problems += (
        f"pseudo.tasks: no '{name}' in conf/pseudo{suggestion(name, list(found))}"
        for name in names or []
        if name not in found
    )
    if problems:
        raise UserError(*problems)
    return [found[name] for name in sorted(found) if names is None or name in names]


def _problems(labelling: Labelling, stem: str) -> Iterator[str]:
    """What the dataclasses' types can't say."""
    if labelling.name != stem:
        yield f"the name is '{labelling.name}', but the file is called '{stem}'; make them the same"
    if not labelling.texts:
        yield "'texts' is empty; name at least one kind of record"
    for number, one in enumerate(labelling.texts):
        if one.record not in KINDS or one.field not in VIEWS:
            yield f"'texts[{number}]' needs a 'record' of {', '.join(KINDS)} and a 'field' of {', '.join(VIEWS)}"
    complete = True
    for key, given in (("instruction", labelling.instruction), ("examples", labelling.examples)):
        for language in LANGUAGES:
            if not given.get(language):
                complete = False
                yield f"'{key}.{language}' is missing"
    for axis in {*labelling.made.axes, *labelling.axes}:
        for language in LANGUAGES:
            if len(labelling.axes.get(axis, {}).get(language, [])) < 2:
                complete = False
                yield f"'axes.{axis}.{language}' needs at least two labels"
    for language, text in labelling.instruction.items():
        for slot in SLOT.findall(text):
            if slot not in labelling.axes:
                complete = False
                yield f"'instruction.{language}' has the slot {{{slot}}}, but 'axes' has no '{slot}'"
    if complete:
        yield from _broken_examples(labelling)


def _broken_examples(labelling: Labelling) -> Iterator[str]:
    """An example that its own check rejects would teach the model to be rejected."""
    for language in LANGUAGES:
        for number, example in enumerate(labelling.examples[language]):
            text = Text(_carrier(labelling, example.text, language), example.text)
            try:
                labelling.record(text, Reply(json.dumps(example.answer)))
            except Rejected as error:
                yield f"'examples.{language}[{number}]' would be rejected: {error.reason} {error.detail}".rstrip()


def _carrier(labelling: Labelling, text: str, language: str) -> Record:
    """A record that an example's text could come from."""
    head: dict[str, Any] = {"id": "example", "group": "example", "language": language}
    if labelling.made.becomes is Search:
        return Search(**head, query=text, results=())
    return Dialogue(**head, turns=()) if labelling.made.becomes is Dialogue else Product(**head, title=text)
