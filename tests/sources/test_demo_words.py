"""The demo store's vocabulary, templates and noise."""

import itertools
import re
from random import Random
from typing import Any

import pytest

from ecomgpt.sources.demo.noise import noisy
from ecomgpt.sources.demo.phrases import Span, Writer, compile_phrase
from ecomgpt.sources.demo.products import make_item, title
from ecomgpt.sources.demo.searches import search
from ecomgpt.sources.demo.vocabulary import Phrases, Vocabulary, load


@pytest.fixture(params=("en", "zh"))
def language(request: pytest.FixtureRequest) -> str:
    return request.param


def phrases_of(words: Vocabulary) -> Any:
    sections: list[Phrases] = [words.titles, *words.frames.values(), *words.lexicon.values()]
    sections += [phrases for section in words.talk.values() for phrases in section.values()]
    sections += [phrases for intent in words.intents for phrases in (intent.text, intent.reply)]
    for category in words.categories:
        sections += [phrases for a in category.attributes for phrases in (a.ask, a.tell)]
        sections += [phrases for a in category.aspects for phrases in a.slots.values()]
    return sections


def slots_of(phrase: Any) -> list[str]:
    return [name for op, value in phrase for name in (slots_of(value) if op == 3 else [value] if op in (1, 2) else [])]


def test_every_phrase_can_be_written(language: str) -> None:
    words = load(language)
    writer = Writer(Random(0).random, words.lexicon)
    item = make_item("x", words, words.categories[0], Random(0).random)
    extra = dict.fromkeys(
        ("v", "w", "x", "t", "A", "B", "front", "tail", "back", "color", "order", "name", "tell"), "o"
    )
    aspect = words.categories[0].aspects[0].slots
    for phrases in phrases_of(words):
        assert len(set(phrases)) >= len(phrases) - 4  # some frames stand several times to be more likely
        for phrase in phrases:
            writer.write(phrase, item.slots | aspect | extra)
    for polarity in ("good", "bad", "fair"):
        assert all(slots_of(phrase).count("t") == 1 for phrase in words.frames[polarity])
    assert sum(intent.topic == "talk" for intent in words.intents) == 3
    assert all(slots_of(phrase).count("Model") == slots_of(phrase).count("Brand") == 1 for phrase in words.titles)
    assert all(slots_of(phrase).count("v") == 1 for c in words.categories for a in c.attributes for phrase in a.tell)


def test_frames_mention_no_aspect_in_passing(language: str) -> None:
    """What is said around the opinions must not name an aspect, or the annotation would miss it."""
    words = load(language)
    terms = {term for category in words.categories for aspect in category.aspects for term in aspect.terms}
    for name in ("opener", "praise", "good_end", "mixed", "bad_end", "anger", "aside"):
        for phrase in words.frames[name]:
            text = " ".join(value for op, value in phrase if op == 0)
            if language == "en":
                found = {term for term in terms if re.search(rf"\b{term}\b", text)}
            else:
                found = {term for term in terms if term in text}
            assert not found, (name, text)


def test_values_of_an_attribute_do_not_contain_each_other(language: str) -> None:
    """Else a title that shows "Navy Blue" would seem to show "Blue"."""
    for category in load(language).categories:
        for attribute in category.attributes:
            for one, two in itertools.permutations(attribute.values, 2):
                start = "(?<![A-Za-z0-9.])" if one.plain[0].isascii() else ""
                end = "(?![A-Za-z0-9])" if one.plain[-1].isascii() else ""
                assert not re.search(start + re.escape(one.plain) + end, two.plain), (category.key, one, two)


def test_templates() -> None:
    phrase = compile_phrase("{a:noun} by {Brand}[, {x}]")
    writer = Writer(lambda: 0.0, {})
    writer.sentence(phrase, {"noun": "oven", "Brand": "Zelvo", "x": (compile_phrase("big"),)}, ".")
    assert writer.text == "An oven by Zelvo, big."
    assert [(s.tag, writer.text[s.start : s.end]) for s in writer.spans] == [("noun", "oven"), ("Brand", "Zelvo")]
    for broken in ("a [b", "a] b"):
        with pytest.raises(ValueError, match="without"):
            compile_phrase(broken)


def test_noise_keeps_length_and_spans() -> None:
    random = Random(5).random
    for text, language in (("The wonderful battery lasts long", "en"), ("我在用的电池做得很好", "zh")):
        span = Span("t", text.index("battery"), text.index("battery") + 7) if language == "en" else Span("t", 4, 6)
        seen = {noisy(text, [span], random, language) for _ in range(600)}
        assert len(seen) > 3
        for other in seen:
            assert len(other) == len(text)
            assert other[span.start : span.end] == text[span.start : span.end]


def test_titles_show_what_they_must(language: str) -> None:
    words = load(language)
    random = Random(2).random
    for category in words.categories:
        item = make_item("x", words, category, random)
        for attribute in category.attributes:
            text, spans = title(item, random, [attribute.name], 0)
            assert [text[s.start : s.end] for s in spans if s.tag == attribute.name] == [
                item.values[attribute.name].shown
            ]
        assert search(item, random).results
