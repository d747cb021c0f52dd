"""What an answer becomes: one form a kind of labelling, from checked items to a typed record."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ecomgpt.pseudo.answer import Rejected, Shape
from ecomgpt.sources.records import (
    Aspect,
    Dialogue,
    Entity,
    EntityText,
    LabelledText,
    Product,
    Question,
    Record,
    Review,
    Search,
    Turn,
)

LONGEST_NAME = 40
"""Characters of an attribute's name; longer ones are sentences."""


@dataclass(frozen=True)
class Text:
    """A text to label and the record that it comes from."""

    record: Record
    text: str

    def head(self) -> dict[str, Any]:
        """The fields that the labelled record takes over, so that it lands in the same split."""
        return {name: getattr(self.record, name) for name in ("id", "group", "language", "split")}


Items = list[dict[str, str]]


@dataclass(frozen=True)
class Form:
    """One kind of labelling.

    Attributes:
        shape: Of the JSON.
        becomes: The kind of record.
        build: Makes the record, or raises `Rejected`.
    """

    shape: Shape
    becomes: type[Record]
    build: Callable[[Text, Items], Record]

    @property
    def axes(self) -> list[str]:
        """The label sets that a labelling of this form must give."""
        return [axis for axis in self.shape.fields.values() if axis]


def entities(text: Text, items: Items) -> Record:
    """Typed spans of a text; where a term occurs several times, its first occurrence."""
    types = _one_each(items, "term", "type")
    places = {term: _place(term, text.text) for term in types}
    spans = [Entity(types[term], start, start + len(term), term) for term, start in places.items()]
    ordered = sorted(spans, key=lambda span: (span.start, span.end))
    return EntityText(**text.head(), text=text.text, entities=tuple(ordered))


def attributes(text: Text, items: Items) -> Record:
    """Attributes whose values stand in the product's title or description."""
    for item in items:
        _place(item["value"], text.text)
        _name(item["name"])
    _one_each(items, "value", "name")
    record, pairs = text.record, tuple((item["name"], item["value"]) for item in items)
    if isinstance(record, Product):
        return Product(**text.head(), title=record.title, description=record.description, attributes=pairs)
    return Product(**text.head(), title=text.text, attributes=pairs)


def aspects(text: Text, items: Items) -> Record:
    """Opinions on terms of a review, each with its topic and polarity."""
    _one_each(items, "term", "polarity")
    _one_each(items, "term", "aspect")
    found = []
    for item in items:
        start = _place(item["term"], text.text)
        found.append(Aspect(item["polarity"], item["term"], item["aspect"], start, start + len(item["term"])))
    return Review(**text.head(), text=text.text, aspects=tuple(sorted(found, key=lambda one: (one.start, one.end))))


def rating(text: Text, items: Items) -> Record:
    """The stars of a review."""
    return Review(**text.head(), text=text.text, rating=int(items[0]["rating"]))


def wishes(text: Text, items: Items) -> Record:
    """What a query asks for: words of it, each under an attribute."""
    assert isinstance(text.record, Search)  # The declaration takes queries from searches alone.
    values = _one_each(items, "value", "attribute")
    for value in values:
        _place(value, text.text)
    intent = tuple((item["attribute"], item["value"]) for item in items)
    return Search(**text.head(), query=text.record.query, results=(), intent=intent)


def label(axis: str) -> Form:
    """The form of one label of an axis, on a text."""

    def build(text: Text, items: Items) -> Record:
        return LabelledText(**text.head(), text=text.text, labels={axis: (items[0][axis],)})

    return Form(Shape({axis: axis}), LabelledText, build)


def dialogue_topic(text: Text, items: Items) -> Record:
    """The topic of a whole conversation."""
    record = text.record
    assert isinstance(record, Dialogue)
    # What people annotated is not the model's: a labelled record holds the text and the model's labels alone.
    turns = tuple(Turn(turn.speaker, turn.text) for turn in record.turns)
    return Dialogue(**text.head(), turns=turns, labels={"topic": (items[0]["topic"],)})


def question(text: Text, items: Items) -> Record:
    """A question that a customer may ask, with the words of the text that answer it."""
    asked, answer = items[0]["question"], items[0]["answer"]
    _place(answer, text.text)
    if answer in asked:
        raise Rejected("the question gives the answer away", asked[:200])
    product = text.record.title if isinstance(text.record, Product) else getattr(text.record, "product", "")
    return Question(
        **text.head(), question=asked, context=text.text, answers=(answer,), product=product, extractive=True
    )


FORMS: dict[str, Form] = {
    "entities": Form(Shape({"type": "entity", "term": None}, "entities"), EntityText, entities),
    "attributes": Form(Shape({"name": None, "value": None}, "attributes"), Product, attributes),
    "aspects": Form(Shape({"term": None, "aspect": "aspect", "polarity": "polarity"}, "aspects"), Review, aspects),
    "rating": Form(Shape({"rating": "rating"}), Review, rating),
    "wishes": Form(Shape({"attribute": "query_attribute", "value": None}, "wishes"), Search, wishes),
    "sentiment": label("sentiment"),
    "category": label("category"),
    "intent": label("intent"),
    "dialogue_topic": Form(Shape({"topic": "topic"}), Dialogue, dialogue_topic),
    "question": Form(Shape({"question": None, "answer": None}), Question, question),
}
"""A labelling's ``form`` to what it means."""


def _place(term: str, text: str) -> int:
    """Where a term stands in the text."""
    start = text.find(term)
    if start < 0:
        raise Rejected("words that are not in the text", f"'{term}'"[:200])
    return start


def _name(name: str) -> None:
    """An attribute's name must be readable in an answer of lines such as ``Color: red, blue``."""
    if len(name) > LONGEST_NAME or any(sign in name for sign in ":：,，\n"):
        raise Rejected("an attribute's name that is none", f"'{name}'"[:200])


def _one_each(items: Items, term: str, label: str) -> dict[str, str]:
    """{term: label}; a term under two labels is a contradiction."""
    found: dict[str, str] = {}
    for item in items:
        if found.setdefault(item[term], item[label]) != item[label]:
            raise Rejected("one term under two labels", f"'{item[term]}'"[:200])
    return found
