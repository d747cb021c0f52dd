"""Questions about a product with a context that answers them, or does not."""

from collections.abc import Iterator
from typing import Any

from ecomgpt.sources.demo.noise import noisy
from ecomgpt.sources.demo.phrases import Phrase, Writer
from ecomgpt.sources.demo.products import DemoItem, Random, describe, other, pick, sample, tell
from ecomgpt.sources.demo.vocabulary import Attribute
from ecomgpt.sources.records import Question

_SOFT = ("feature", "audience")
"""Kinds that a context may hint at without saying so; no question about them counts as unanswerable."""


def questions(item: DemoItem, random: Random, product: str) -> Iterator[Question]:
    """Two questions whose answer stands in the context, one without an answer, and one to be answered yes or no."""
    for number in range(2):
        told = sample(random, item.category.attributes, 2 + int(random() * 2))
        asked = told[0]
        context = _context(item, random, sample(random, told, len(told)), asked)
        facts: dict[str, Any] = {"context": context, "answers": (item.values[asked.name].plain,), "product": product}
        yield Question(
            **item.shared(f"question-{number}"), **facts, question=_ask(item, random, asked), extractive=True
        )
    asked = pick(random, [a for a in item.category.attributes if a.kind not in _SOFT])
    told = sample(random, [a for a in item.category.attributes if a is not asked], 2)
    yield Question(
        **item.shared("question-2"),
        question=_ask(item, random, asked),
        context=_context(item, random, told, asked),
        product=product,
        extractive=True,
    )
    yield _yes_no(item, random, product)


def _ask(item: DemoItem, random: Random, attribute: Attribute) -> str:
    """A question about an attribute, in its own words or in general ones."""
    general = item.vocabulary.talk["question"]["ask"]
    wording: Phrase = pick(random, attribute.ask if random() < 0.75 else general)
    writer = Writer(random, item.vocabulary.lexicon)
    if random() < 0.25:
        writer.write(pick(random, item.vocabulary.talk["question"]["polite"]), item.slots)
        writer.add(item.vocabulary.style["gap"])
    start = len(writer.parts)
    writer.write(wording, item.slots | {"name": attribute.call})
    writer.capitalise(start)
    return noisy(writer.text, (), random, item.language)


def _context(item: DemoItem, random: Random, told: list[Attribute], asked: Attribute) -> str:
    """A description or an answer that tells some attributes, at times with a rival's value of the asked one."""
    style, words = item.vocabulary.style, item.vocabulary.talk["question"]
    if random() < 0.5:
        text = describe(item, random, told, closing=False)
    else:
        writer = Writer(random, item.vocabulary.lexicon)
        writer.write(pick(random, words["answer_by"]), item.slots)
        writer.add(style["gap"])
        tell(item, told, writer)
        text = writer.text.strip()
    if random() < 0.35:
        writer = Writer(random, item.vocabulary.lexicon)
        value = other(random, asked.values, item.values[asked.name])
        writer.sentence(pick(random, words["rival"]), item.slots | {"w": value.plain}, style["stop"].strip())
        text += style["gap"] + writer.text
    return text


def _yes_no(item: DemoItem, random: Random, product: str) -> Question:
    """Is the color red? - with a full sentence as answer."""
    words = item.vocabulary.talk["question"]
    told = sample(random, item.category.attributes, 2)
    asked = told[0]
    value = item.values[asked.name]
    right = random() < 0.5
    claim = value if right else other(random, asked.values, value)
    question = Writer(random, item.vocabulary.lexicon)
    question.sentence(pick(random, words["yes_no"]), item.slots | {"name": asked.call, "w": claim.plain})
    answer = Writer(random, item.vocabulary.lexicon)
    slots = item.slots | {"v": value.plain, "tell": asked.tell}
    answer.sentence(pick(random, words["yes" if right else "no"]), slots, item.vocabulary.style["stop"].strip())
    context = _context(item, random, sample(random, told, 2), asked)
    return Question(
        **item.shared("question-3"), question=question.text, context=context, answers=(answer.text,), product=product
    )
