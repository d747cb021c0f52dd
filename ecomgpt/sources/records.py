"""The typed records that stand between readers and tasks.

A reader turns one line, row or element of a dataset into one record; a task turns one record into instructions. Neither
knows the other, so that a new dataset gets every task of its record kind, and a new task every dataset.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

STRICT = {"extra": "forbid"}
"""How pydantic reads records from files: unknown fields are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What all kinds share.

    Attributes:
        id: Unique within its source and the same in every run.
        group: Records of one group (one product, sentence, template, dialogue) never land in different splits.
        language: ``en`` or ``zh``.
        split: ``train``, ``validation`` or ``test``, where the dataset's authors cut it; ``""`` where they did not.
    """

    id: str
    group: str
    language: str
    split: str = ""
    __pydantic_config__: ClassVar[Any] = STRICT


@dataclass(frozen=True, slots=True)
class Entity:
    """A typed span; ``text[start:end] == term`` in characters of the record's text."""

    type: str
    start: int
    end: int
    term: str
    __pydantic_config__: ClassVar[Any] = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityText(Record):
    """A text with entities or attribute values in it. ``entities`` may be empty: that is knowledge too."""

    text: str
    entities: tuple[Entity, ...] = ()
    absent: tuple[str, ...] = ()
    """Types of which the annotators say that the text holds none; the source's open set of types does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product(Record):
    """A product. Attribute names may repeat (several values). ``cluster`` names the same product over shops."""

    title: str
    category: tuple[str, ...] = ()
    """The path from the coarsest category to the finest."""
    brand: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    description: str = ""
    cluster: str = ""
    absent: tuple[str, ...] = ()
    """Attributes of which the annotators say that title and description do not state them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledText(Record):
    """A text with labels on one or more axes, such as ``{"sentiment": ("positive",), "category": ("Books",)}``.

    An axis with several labels is multi-label; an axis with an empty tuple means "none of them applies".
    """

    text: str
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPair(Record):
    """Two texts and how they relate; the source's YAML names the sides and the relation's labels."""

    left: str
    right: str
    relation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Record):
    """A question, an optional context and its answers. Without answers it can't be answered from the context."""

    question: str
    context: str = ""
    answers: tuple[str, ...] = ()
    relevance: str = ""
    """How far the context answers the question, in the source's labels; empty where it does not say."""
    product: str = ""
    """The product's title, where known."""
    extractive: bool = False
    """Whether every answer is a substring of the context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Record):
    """A source text and the target text that belongs to it (attributes to advertisement, attribute to sentence)."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance; ``labels`` are its intents or its goal, per axis as in `LabelledText`."""

    speaker: str
    text: str
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    __pydantic_config__: ClassVar[Any] = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue(Record):
    """A conversation between a customer and a shop, with labels for the whole of it."""

    turns: tuple[Turn, ...]
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Aspect:
    """An opinion on one aspect. Where the text names it, ``text[start:end] == term``; else ``term`` is empty."""

    polarity: str
    term: str = ""
    category: str = ""
    start: int = -1
    end: int = -1
    __pydantic_config__: ClassVar[Any] = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Review(Record):
    """A review or one of its sentences, with the opinions in it."""

    text: str
    aspects: tuple[Aspect, ...] = ()
    rating: int | None = None
    """Stars, 1 to 5."""
    product: str = ""
    """The product's title, where known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search(Record):
    """A query, the products shown for it and how well each fits; the source's YAML declares the best label first."""

    query: str
    results: tuple[tuple[str, str], ...]
    """(product title, relevance label) pairs."""
    intent: tuple[tuple[str, str], ...] = ()
    """What the query asks for, as (attribute, value) pairs that occur in it."""


KINDS: dict[str, type[Record]] = {
    kind.__name__: kind
    for kind in (EntityText, Product, LabelledText, TextPair, Question, Transfer, Dialogue, Review, Search)
}
