"""Short texts about a product: with its entities marked, and with its category as label."""

from collections.abc import Iterator, Sequence

from ecomgpt.sources.demo.noise import noisy
from ecomgpt.sources.demo.phrases import Span, Writer
from ecomgpt.sources.demo.products import DemoItem, Random, pick, title
from ecomgpt.sources.records import Entity, EntityText, LabelledText


def entities(
    item: DemoItem, text: str, spans: Sequence[Span], kinds: dict[str, str] | None = None
) -> tuple[Entity, ...]:
    """The spans that name a brand, a product or an attribute's value, with the type that prompts show."""
    labels = item.vocabulary.labels["entity"]
    known = {"Brand": "brand", "brand2": "brand", "noun": "product"}
    known |= {attribute.name: attribute.kind for attribute in item.category.attributes} | (kinds or {})
    return tuple(
        Entity(labels[known[span.tag]], span.start, span.end, text[span.start : span.end])
        for span in spans
        if span.tag in known
    )


def entity_texts(item: DemoItem, random: Random) -> Iterator[EntityText]:
    """A title and a customer's sentence, both with their entities."""
    text, spans = title(item, random)
    yield EntityText(**item.shared("entities-0"), text=text, entities=entities(item, text, spans))
    writer = Writer(random, item.vocabulary.lexicon)
    # Only what can stand before a noun: "a 20 L backpack", but not "a Fits 14 inch Laptop backpack".
    attribute = pick(random, [a for a in item.category.attributes if a.place == "front" or a.kind == "color"])
    slots = item.slots | {"x": item.values[attribute.name].plain}
    writer.sentence(pick(random, item.vocabulary.talk["entity"]["mention"]), slots)
    text = noisy(writer.text, writer.spans, random, item.language)
    found = entities(item, text, writer.spans, {"x": attribute.kind})
    yield EntityText(**item.shared("entities-1"), text=text, entities=found)


def category_text(item: DemoItem, random: Random) -> LabelledText:
    """A title or a forum message, with the product's finest and coarsest category."""
    if random() < 0.5:
        text = title(item, random)[0]
    else:
        writer = Writer(random, item.vocabulary.lexicon)
        value = pick(random, [v for name, v in item.values.items() if name in ("Color", "颜色")] or [None])
        slots = item.slots | {"color": value.plain if value else item.brand}
        writer.sentence(pick(random, item.vocabulary.talk["text"]["wanted"]), slots)
        text = noisy(writer.text, (), random, item.language)
    path = item.category.path
    labels: dict[str, tuple[str, ...]] = {"category": (path[-1],), "coarse_category": (path[0],)}
    return LabelledText(**item.shared("category-0"), text=text, labels=labels)
