"""Labellings (``conf/pseudo/<name>.yaml``): which texts, in which words, with which labels, and what they become."""

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from pydantic import Field

from ecomgpt.chat.messages import ChatReply, Request
from ecomgpt.common.hashing import value_hash
from ecomgpt.config.declarations import Declaration, OneOf, Strict, load, load_all
from ecomgpt.pseudo.answer import Axes, Rejected
from ecomgpt.pseudo.forms import FORMS, Form, Text
from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.families import FAMILIES
from ecomgpt.sources.records import KINDS, Dialogue, Product, Record, Search
from ecomgpt.tasks.builders.dialogues import CUSTOMERS
from ecomgpt.tasks.declaration import LANGUAGES, SLOT


class TextFrom(Strict):
    """Where texts come from: a kind of record and a view of it."""

    record: Annotated[str, OneOf(KINDS)] = Field(description="the kind of record")
    field: str = Field("text", description="which text of it, a key of ecomgpt.pseudo.declaration.VIEWS")
    axis: str | None = Field(
        None, description="only of datasets that declare labels on this axis, which tells reviews from messages"
    )


class Example(Strict):
    """A text with the right answer, shown to the model, and checked like a model's answer."""

    text: str = Field(description="the text")
    answer: dict[str, Any] = Field(description="the answer, as JSON")


class Labelling(Declaration):
    """One labelling task."""

    title: str = Field(description="what is labelled, for people")
    family: Annotated[str, OneOf(FAMILIES)] = Field(description="the task family that the labels serve")
    texts: list[TextFrom] = Field(description="which records give texts; the first that fits counts")
    form: Annotated[str, OneOf(FORMS)] = Field(
        description="what the answer holds and becomes, a key of ecomgpt.pseudo.forms.FORMS"
    )
    instruction: dict[str, str] = Field(
        description="the system message by language; {axis} is replaced by that axis's labels"
    )
    examples: dict[str, list[Example]] = Field(description="by language, at least one each")
    axes: dict[str, dict[str, list[str]]] = Field({}, description="axis to the labels to choose from, by language")
    max_tokens: int = Field(512, ge=16, description="the longest answer")

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

    def record(self, text: Text, reply: ChatReply) -> Record:
        """The labelled record.

        Raises:
            Rejected: If the answer does not hold against the text.
        """
        return self.made.build(text, self.made.shape.items(reply, self.labels(text.record.language)))

    def digest(self) -> str:
        """Names everything that is said to the model besides the text: another prompt, another name."""
        requests = [self.request("", language) for language in LANGUAGES]
        return value_hash([[one.messages, one.schema] for one in requests])


def _axes(dataset: Dataset) -> set[str]:
    return {axis.partition(".")[0] for axis in dataset.labels}


def _speaks(record: Record, axis: str, dataset: Dataset) -> bool:
    """A text is of an axis's sort if it is labelled on it, or unlabelled in a dataset that has the axis."""
    labels = getattr(record, "labels", {})
    return axis in labels or (not labels and axis in _axes(dataset))


def turns(record: Record) -> str:
    """A conversation, one utterance per line."""
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


VIEWS: dict[str, Callable[[Record], str]] = {
    "text": lambda record: getattr(record, "text", ""),
    "title": lambda record: getattr(record, "title", ""),
    "description": lambda record: getattr(record, "description", ""),
    "title_and_description": title_and_description,
    "context": lambda record: getattr(record, "context", ""),
    "query": lambda record: getattr(record, "query", ""),
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
    found = load_all(
        "pseudo",
        own,
        lambda path: [load(path, Labelling, name=path.stem)],
        lambda labelling, path: _problems(labelling),
        names,
        "pseudo.tasks: no '{}' in conf/pseudo",
    )
    return sorted(found, key=lambda labelling: labelling.name)


def _problems(labelling: Labelling) -> Iterator[str]:
    """What the types can't say."""
    if not labelling.texts:
        yield "'texts' is empty; name at least one kind of record"
    for number, one in enumerate(labelling.texts):
        if one.field not in VIEWS:
            yield f"'texts[{number}]' needs a 'field' of {', '.join(VIEWS)}"
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
                labelling.record(text, ChatReply(json.dumps(example.answer)))
            except Rejected as error:
                yield f"'examples.{language}[{number}]' would be rejected: {error.reason} {error.detail}".rstrip()


def _carrier(labelling: Labelling, text: str, language: str) -> Record:
    """A record that an example's text could come from."""
    head: dict[str, Any] = {"id": "example", "group": "example", "language": language}
    if labelling.made.becomes is Search:
        return Search(**head, query=text, results=())
    return Dialogue(**head, turns=()) if labelling.made.becomes is Dialogue else Product(**head, title=text)
