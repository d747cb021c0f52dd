"""Search queries, what they ask for, and results whose relevance follows from the products' attributes."""

from ecomgpt.sources.demo.noise import noisy
from ecomgpt.sources.demo.phrases import Writer
from ecomgpt.sources.demo.products import DemoItem, Random, make_item, other, pick, pieces, rival, sample, title
from ecomgpt.sources.demo.vocabulary import Value
from ecomgpt.sources.records import Search

Wanted = dict[str, Value]
"""What a query asks for, by attribute."""


def relevance(wanted: Wanted, category: str, item: DemoItem) -> str:
    """``exact``: the wanted kind with all wanted values; ``partial``: the wanted kind; else ``irrelevant``."""
    if item.category.key != category:
        return "irrelevant"
    found = all(item.values[name] == value for name, value in wanted.items())
    return "exact" if found else "partial"


def search(item: DemoItem, random: Random) -> Search:
    """A query for a product, answered by it and by products that resemble it more or less."""
    attributes = sample(random, item.category.attributes, 1 + (random() < 0.5))
    wanted = {attribute.name: item.values[attribute.name] for attribute in attributes}
    labels = item.vocabulary.labels["relevance"]
    results = []
    for result in sample(random, _results(item, random, wanted), 6):
        shown = [name for name in wanted if name in result.values]
        label = labels[relevance(wanted, item.category.key, result)]
        results.append((title(result, random, shown, 1)[0], label))
    query, intent = _query(item, random, list(wanted))
    return Search(**item.shared("search-0"), query=query, results=tuple(results), intent=intent)


def _query(item: DemoItem, random: Random, names: list[str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The words of the query and the (attribute, value) pairs in it."""
    shown = [attribute for attribute in item.category.attributes if attribute.name in names]
    slots = item.slots | pieces(item, shown, item.vocabulary.style["gap"], " ", running=True)
    slots["noun"] = pick(random, item.category.nouns).plain
    writer = Writer(random, item.vocabulary.lexicon)
    writer.write(pick(random, item.vocabulary.talk["search"]["query"]), slots)
    spans = [span for span in writer.spans if span.tag in names]
    text = noisy(writer.text, spans, random, item.language)
    return " ".join(text.split()), tuple((span.tag, text[span.start : span.end]) for span in spans)


def _results(item: DemoItem, random: Random, wanted: Wanted) -> list[DemoItem]:
    """Four or five products: the product itself or one with the wanted values, near misses, and other kinds."""
    names = list(wanted)
    exact = rival(item, random, (), 0.3, brand=pick(random, item.vocabulary.brands))
    exact.values.update(wanted)
    results = [item if random() < 0.7 else exact]
    if random() < 0.5:
        results.append(exact if results[0] is item else item)
    for _ in range(1 + (random() < 0.5)):
        results.append(rival(item, random, sample(random, names, 1 + int(random() * len(names))), 0.3))
    for _ in range(1 + (random() < 0.5)):
        results.append(_stranger(item, random, wanted))
    return results


def _stranger(item: DemoItem, random: Random, wanted: Wanted) -> DemoItem:
    """A product of another category that has the wanted values where its category allows."""
    category = other(random, item.vocabulary.categories, item.category)
    keep = {
        attribute.name: wanted[attribute.name]
        for attribute in category.attributes
        if attribute.name in wanted and wanted[attribute.name] in attribute.values
    }
    return make_item(item.id, item.vocabulary, category, random, keep)
