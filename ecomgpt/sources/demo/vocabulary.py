"""Loads the words of one language from ``vocabulary/<language>/*.toml`` into typed, compiled form."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from ecomgpt.sources.demo.phrases import Phrase, compile_phrase, with_article

Phrases = tuple[Phrase, ...]


class Value(NamedTuple):
    """An attribute's value: as a title shows it (``Navy Blue``) and as running text does (``navy blue``)."""

    shown: str
    plain: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a category.

    Attributes:
        name: As it stands in records.
        call: As questions call it.
        kind: The entity type of its values.
        place: Where a title shows it: ``front`` of the noun, ``tail`` right after it, or at the ``back``.
        before: What precedes the value in a title (``for ``).
        after: What follows it there (`` Battery``).
        values: All it can be.
        ask: Questions about it.
        tell: Clauses that answer them.
    """

    name: str
    call: str
    kind: str
    place: str
    before: str
    after: str
    values: tuple[Value, ...]
    ask: Phrases
    tell: Phrases


@dataclass(frozen=True, slots=True)
class AspectWords:
    """What reviews say about one aspect; ``slots`` holds the predicates ``good``, ``bad`` and ``fair``."""

    name: str
    topic: str
    terms: tuple[str, ...]
    slots: dict[str, Phrases]


@dataclass(frozen=True, slots=True)
class Category:
    """A leaf of the shop's tree."""

    key: str
    path: tuple[str, ...]
    nouns: tuple[Value, ...]
    uses: tuple[str, ...]
    aspects: tuple[AspectWords, ...]
    attributes: tuple[Attribute, ...]
    numbered: bool
    grammar: dict[str, str]
    """Words that agree with the noun's number, as slots: this, it, is, has, ..."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What a customer may want, with utterances and the shop's replies."""

    label: str
    topic: str
    text: Phrases
    reply: Phrases


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All words of one language."""

    language: str
    brands: tuple[str, ...]
    series: tuple[str, ...]
    titles: Phrases
    categories: tuple[Category, ...]
    frames: dict[str, Phrases]
    talk: dict[str, dict[str, Phrases]]
    lexicon: dict[str, Phrases]
    intents: tuple[Intent, ...]
    topics: dict[str, str]
    style: dict[str, str]
    labels: dict[str, dict[str, str]]


_SINGULAR, _PLURAL = (
    dict(zip(("this", "is", "it", "them", "has", "does", "comes", "weighs"), words.split(), strict=True))
    for words in ("this is it it has does comes weighs", "these are they them have do come weigh")
)
_CHINESE = {"this": "这款"}


@cache
def load(language: str) -> Vocabulary:
    """The vocabulary of ``en`` or ``zh``; read once per process."""
    attributes, catalog, reviews, talk = (
        _toml(language, part) for part in ("attributes", "catalog", "reviews", "talk")
    )
    names = catalog.pop("names")
    heads, tails = split(names["brand_heads"]), split(names["brand_tails"])
    aspects = {name: _aspect(name, words) for name, words in reviews["aspects"].items()}
    sections = {key: _section(talk[key]) for key in ("search", "text", "question", "entity", "dialogue")}
    loose = {"hype": names["hype"], "gift": names["gift"], **reviews["words"]}
    return Vocabulary(
        language=language,
        brands=tuple(head + tail for head in heads for tail in tails),
        series=split(names["series"]),
        titles=phrases(names["titles"]),
        categories=tuple(_category(language, key, words, attributes, aspects) for key, words in catalog.items()),
        frames=_section(reviews["frames"]),
        talk=sections,
        lexicon=_section(loose) | sections["dialogue"],
        intents=tuple(
            Intent(key.replace("_", " "), words["topic"], phrases(words["text"]), phrases(words["reply"]))
            for key, words in talk["intents"].items()
        ),
        topics=talk["topics"],
        style=talk["style"],
        labels=talk["labels"],
    )


def split(text: str) -> tuple[str, ...]:
    """``"a | b"`` -> ``("a", "b")``."""
    return tuple(text.split(" | "))


def phrases(text: str) -> Phrases:
    """``"a {x} | b"`` -> two compiled phrases."""
    return tuple(compile_phrase(part) for part in split(text))


def plain(text: str) -> str:
    """Title Case to running text; units and abbreviations (``USB-C``, ``500 ml``, ``XL``) stay as they are."""
    return " ".join(
        word.lower()
        if all(part[1:].islower() or len(part) == 1 for part in word.split("-")) and len(word) > 1
        else word
        for word in text.split(" ")
    )


def _toml(language: str, part: str) -> dict[str, Any]:
    file = resources.files("ecomgpt.sources.demo") / "vocabulary" / language / f"{part}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _section(words: dict[str, str]) -> dict[str, Phrases]:
    return {key: phrases(text) for key, text in words.items()}


def _aspect(name: str, words: dict[str, str]) -> AspectWords:
    predicates = {key: phrases(words[key]) for key in ("good", "bad", "fair")}
    return AspectWords(name, words["topic"], split(words["terms"]), predicates)


def _category(
    language: str, key: str, words: dict[str, Any], attributes: dict[str, Any], aspects: dict[str, AspectWords]
) -> Category:
    plural = words.get("plural", False)
    return Category(
        key=key,
        path=split(words["path"]),
        nouns=tuple(Value(noun, plain(noun)) for noun in split(words["nouns"])),
        uses=split(words["uses"]),
        aspects=tuple(aspects[name] for name in split(words["aspects"])),
        attributes=tuple(_attribute(name, values, attributes[name]) for name, values in words["values"].items()),
        numbered=words.get("numbered", False),
        grammar=_CHINESE if language == "zh" else _PLURAL if plural else _SINGULAR,
    )


def _attribute(name: str, values: str, words: dict[str, str]) -> Attribute:
    before, after = words.get("show", "{v}").split("{v}")
    proper = name in ("Fits", "Origin")  # names of phones and countries keep their capitals
    return Attribute(
        name=name,
        call=words.get("call", name.lower()),
        kind=words["kind"],
        place=words["place"],
        before=before,
        after=after,
        values=tuple(Value(value, value if proper else plain(value)) for value in split(values)),
        ask=phrases(words["ask"]),
        tell=phrases(words["tell"]),
    )


def one(category: Category, noun: str, language: str) -> str:
    """The noun as an object: ``a backpack``, ``running shoes``, ``一款台灯``."""
    if language == "zh":
        return "一款" + noun
    mass = category.grammar is _PLURAL or category.key in ("coffee", "dog_food", "blocks")
    return noun if mass else with_article(noun)
