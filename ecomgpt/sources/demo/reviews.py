"""Reviews whose rating, polarities, terms and offsets all follow from one plan."""

from functools import partial

from ecomgpt.sources.demo.noise import noisy
from ecomgpt.sources.demo.phrases import Writer
from ecomgpt.sources.demo.products import DemoItem, Random, pick, sample
from ecomgpt.sources.demo.vocabulary import AspectWords
from ecomgpt.sources.records import Aspect, LabelledText, Review

_RATINGS = (5, 5, 5, 4, 4, 3, 3, 2, 1, 1, 1)
"""Ratings as often as they occur; shops see many fives and many ones."""
_PLANS: dict[int, tuple[tuple[str, ...], ...]] = {
    5: (("good",), ("good", "good"), ("good", "good", "good"), ("good", "good", "fair")),
    4: (("good", "fair"), ("good", "good", "bad"), ("good", "good", "fair"), ("good", "fair")),
    3: (("fair",), ("good", "bad"), ("fair", "fair"), ("good", "bad", "fair"), ("good", "bad")),
    2: (("bad", "fair"), ("bad", "bad", "good"), ("bad", "bad", "fair"), ("bad", "fair")),
    1: (("bad",), ("bad", "bad"), ("bad", "bad", "bad"), ("bad", "bad", "fair")),
}
"""Polarities of the aspects by rating: above three stars good ones lead, below bad ones, at three they balance."""
_ENDS = {5: "praise", 4: "good_end", 3: "mixed", 2: "bad_end", 1: "anger"}


def review(item: DemoItem, random: Random, number: int, product: str) -> Review:
    """One review of a product with the given title."""
    rating = pick(random, _RATINGS)
    text, aspects = write_review(item, random, rating)
    return Review(**item.shared(f"review-{number}"), text=text, aspects=aspects, rating=rating, product=product)


def sentiment(item: DemoItem, random: Random) -> LabelledText:
    """A review's text with the sentiment of the whole."""
    rating = pick(random, _RATINGS)
    text, _ = write_review(item, random, rating)
    label = item.vocabulary.labels["polarity"]["good" if rating > 3 else "bad" if rating < 3 else "fair"]
    return LabelledText(**item.shared("sentiment-0"), text=text, labels={"sentiment": (label,)})


def write_review(item: DemoItem, random: Random, rating: int) -> tuple[str, tuple[Aspect, ...]]:
    """The text of a review and its opinions, in the text's order."""
    vocabulary = item.vocabulary
    frames, stop = vocabulary.frames, vocabulary.style["stop"]
    writer = Writer(random, vocabulary.lexicon)
    if random() < 0.35:
        writer.sentence(pick(random, frames["opener"]), item.slots, stop)
    plan = _choose_aspects(item, random, pick(random, _PLANS[rating]))
    _write_clauses(item, writer, plan)
    if random() < 0.12:
        writer.add(vocabulary.style["gap"])
        writer.sentence(pick(random, frames["aside"]), item.slots, stop.strip())
    if random() < 0.45:
        writer.add(vocabulary.style["gap"])
        writer.sentence(pick(random, frames[_ENDS[rating]]), item.slots, stop.strip())
    if rating != 3 and random() < 0.15:
        face = "happy_face" if rating > 3 else "sad_face"
        writer.add(vocabulary.style["gap"])
        writer.write(pick(random, frames[face]), item.slots)
    spans = [span for span in writer.spans if span.tag == "t"]
    text = noisy(writer.text, spans, random, vocabulary.language)
    labels = vocabulary.labels["polarity"]
    return text, tuple(
        Aspect(labels[polarity], text[span.start : span.end], words.topic, span.start, span.end)
        for span, (words, _, polarity) in zip(spans, plan, strict=True)
    )


def _choose_aspects(item: DemoItem, random: Random, polarities: tuple[str, ...]) -> list[tuple[AspectWords, str, str]]:
    """(aspect, term, polarity) triples with different aspects and different terms, in random order."""
    chosen: list[tuple[AspectWords, str, str]] = []
    taken: set[str] = set()
    ordered = sample(random, polarities, len(polarities))
    for words, polarity in zip(sample(random, item.category.aspects, len(ordered)), ordered, strict=True):
        term = pick(random, [term for term in words.terms if term not in taken])
        taken.add(term)
        chosen.append((words, term, polarity))
    return chosen


def _write_clauses(item: DemoItem, writer: Writer, plan: list[tuple[AspectWords, str, str]]) -> None:
    """All opinions as one or two sentences; ``but`` joins what differs, ``and`` what agrees."""
    frames, style = item.vocabulary.frames, item.vocabulary.style
    clauses = [
        partial(Writer.write, phrase=writer.choose(frames[polarity]), slots=item.slots | words.slots | {"t": term})
        for words, term, polarity in plan
    ]
    for first in range(0, len(plan), 2):
        if first:
            writer.add(style["gap"])
        if first + 1 < len(plan):
            joint = "and" if plan[first][2] == plan[first + 1][2] else "but"
            slots = {"A": clauses[first], "B": clauses[first + 1]}
            writer.sentence(writer.choose(frames[joint]), slots)
        else:
            start = len(writer.parts)
            clauses[first](writer)
            writer.capitalise(start)
        writer.add(style["stop"].strip())
