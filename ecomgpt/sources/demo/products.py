"""Products: what they are, how shops title and describe them, and products that resemble them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecomgpt.sources.demo.phrases import Span, Writer
from ecomgpt.sources.demo.vocabulary import Attribute, Category, Value, Vocabulary, one
from ecomgpt.sources.records import Product, TextPair, Transfer

Random = Callable[[], float]
"""A source of numbers in [0, 1)."""


@dataclass(slots=True)
class DemoItem:
    """One product of the store. ``slots`` are the words about it that phrases of running text ask for."""

    id: str
    vocabulary: Vocabulary
    category: Category
    brand: str
    model: str
    values: dict[str, Value]
    slots: dict[str, Any]

    @property
    def language(self) -> str:
        return self.vocabulary.language

    def shared(self, name: str) -> dict[str, Any]:
        """The fields that its records share: id, group and language."""
        return {"id": f"{self.id}-{name}", "group": self.id, "language": self.language}

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """(attribute, value) pairs with brand and model in front."""
        style = self.vocabulary.style
        names = ((style["brand"], self.brand), (style["model"], self.model))
        return names + tuple((name, value.shown) for name, value in self.values.items())


def pick(random: Random, options: Any) -> Any:
    """One of the options, all equally likely."""
    return options[int(random() * len(options))]


def sample(random: Random, options: Collection[Any], count: int) -> list[Any]:
    """``count`` different options in random order (all, where there are fewer)."""
    pool = list(options)
    count = min(count, len(pool))
    for i in range(count):
        j = i + int(random() * (len(pool) - i))
        pool[i], pool[j] = pool[j], pool[i]
    return pool[:count]


def other(random: Random, options: tuple[Any, ...], taken: Any) -> Any:
    """One of at least two different options that is not the taken one."""
    chosen = pick(random, options)
    while chosen == taken:
        chosen = pick(random, options)
    return chosen


def make_item(
    name: str,
    vocabulary: Vocabulary,
    category: Category,
    random: Random,
    keep: Mapping[str, Value] | None = None,
    brand: str = "",
    model: str = "",
) -> DemoItem:
    """A product of a category; what ``keep``, ``brand`` and ``model`` hold is taken over, the rest drawn."""
    keep = keep or {}
    values = {a.name: keep[a.name] if a.name in keep else pick(random, a.values) for a in category.attributes}
    brand = brand or pick(random, vocabulary.brands)
    model = model or _model(vocabulary, category, random)
    noun = pick(random, category.nouns).plain
    slots: dict[str, Any] = {
        **category.grammar,
        "Brand": brand,
        "Model": model,
        "noun": noun,
        "one": one(category, noun, vocabulary.language),
        "use": pick(random, category.uses),
        "brand2": other(random, vocabulary.brands, brand),
    }
    return DemoItem(name, vocabulary, category, brand, model, values, slots)


def _model(vocabulary: Vocabulary, category: Category, random: Random) -> str:
    series = pick(random, vocabulary.series)
    if not category.numbered:
        return series
    return f"{series}{vocabulary.style['gap']}{pick(random, 'XKTR')}{int(random() * 9 + 1)}0"


def rival(item: DemoItem, random: Random, differ: Collection[str] = (), share: float = 0.5, **names: str) -> DemoItem:
    """Another product of the category: it differs in all of ``differ`` and shares others at the rate ``share``."""
    keep: dict[str, Value] = {}
    for attribute in item.category.attributes:
        value = item.values[attribute.name]
        if attribute.name in differ:
            keep[attribute.name] = other(random, attribute.values, value)
        elif random() < share:
            keep[attribute.name] = value
    return make_item(item.id, item.vocabulary, item.category, random, keep, **names)


def pieces(
    item: DemoItem, shown: Collection[Attribute], gap: str, separator: str, running: bool = False
) -> dict[str, list[tuple[str, str]]]:
    """The slots ``front``, ``tail`` and ``back`` of titles and queries: (tag, text) pieces of the shown attributes."""
    places: dict[str, list[tuple[str, str]]] = {"front": [], "tail": [], "back": []}
    for attribute in shown:
        value = item.values[attribute.name]
        text = value.plain if running else value.shown
        before, after = attribute.before, attribute.after
        if running:
            before, after = before.lower(), after.lower()
        if attribute.place == "front":
            places["front"] += [("", before), (attribute.name, text), ("", after + gap)]
        else:
            joint = (" " if gap else "") if attribute.place == "tail" else separator
            places[attribute.place] += [("", joint + before), (attribute.name, text), ("", after)]
    return places


def title(item: DemoItem, random: Random, show: Collection[str] = (), more: int = 3) -> tuple[str, list[Span]]:
    """A shop's title of a product that shows the attributes ``show`` and at most ``more`` others; with all spans."""
    attributes = item.category.attributes
    shown = [a for a in attributes if a.name in show]
    rest = [a for a in attributes if a.name not in show]
    shown = sample(random, shown + sample(random, rest, int(random() * more) + (more > 0)), len(attributes))
    style = item.vocabulary.style
    writer = Writer(random, item.vocabulary.lexicon)
    separator = pick(random, (", ", " - ")) if style["gap"] else " "
    slots = item.slots | pieces(item, shown, style["gap"], separator)
    slots["noun"] = pick(random, item.category.nouns).shown
    writer.write(pick(random, item.vocabulary.titles), slots)
    return writer.text, writer.spans


def tell(item: DemoItem, attributes: Sequence[Attribute], writer: Writer) -> None:
    """Sentences about attributes in running text, at times two clauses in one sentence."""
    style, last = item.vocabulary.style, len(attributes) - 1
    joined = False
    for position, attribute in enumerate(attributes):
        slots = item.slots | {"v": item.values[attribute.name].plain}
        wording = writer.choose(attribute.tell)
        (writer.write if joined else writer.sentence)(wording, slots)
        joined = not joined and position < last and writer.random() < 0.35
        writer.add(style["joint"] if joined else style["stop"])


def describe(item: DemoItem, random: Random, attributes: list[Attribute], closing: bool = True) -> str:
    """A description that tells the given attributes and no others."""
    text, style = item.vocabulary.talk["text"], item.vocabulary.style
    writer = Writer(random, item.vocabulary.lexicon)
    writer.sentence(pick(random, text["opening"]), item.slots)
    writer.add("" if writer.text.endswith(("?", "？")) else style["stop"].strip())
    writer.add(style["gap"])
    tell(item, attributes, writer)
    if closing and random() < 0.6:
        writer.sentence(pick(random, text["closing"]), item.slots)
    return writer.text.strip()


def offers(item: DemoItem, random: Random, first: str) -> Iterator[Product]:
    """The product as its own shop lists it under the title ``first``, and in half of the cases as another shop does."""
    for number in range(2 if random() < 0.5 else 1):
        told = sample(random, item.category.attributes, 2 + int(random() * 2))
        yield Product(
            **item.shared(f"product-{number}"),
            title=title(item, random)[0] if number else first,
            category=item.category.path,
            brand=item.brand,
            attributes=item.pairs(),
            description=describe(item, random, told),
            cluster=item.id,
        )


def title_pairs(item: DemoItem, random: Random) -> Iterator[TextPair]:
    """Two shops' titles of this product, and a title of this product with one of a very similar one."""
    labels = item.vocabulary.labels["relation"]
    names = [a.name for a in item.category.attributes]
    shown = sample(random, names, 2)
    left, right = title(item, random, shown[:1], 1)[0], title(item, random, shown, 1)[0]
    yield TextPair(**item.shared("pair-0"), left=left, right=right, relation=labels["same"])
    # Both titles show brand, model and the chosen attributes, so the difference can always be seen.
    case, shown = random(), sample(random, names, 2)
    vocabulary = item.vocabulary
    if case < 0.4:
        twin = rival(item, random, shown[:1], 1.0, brand=item.brand, model=item.model)
    elif case < 0.75:
        model = item.model
        while model == item.model:
            model = _model(vocabulary, item.category, random)
        twin = rival(item, random, (), 0.8, brand=item.brand, model=model)
    else:
        twin = rival(item, random, (), 0.8, brand=other(random, vocabulary.brands, item.brand), model=item.model)
    left, right = title(item, random, shown, 0)[0], title(twin, random, shown, 0)[0]
    yield TextPair(**item.shared("pair-1"), left=left, right=right, relation=labels["different"])


def advert(item: DemoItem, random: Random) -> Transfer:
    """Some attributes and a selling text that says just them."""
    style = item.vocabulary.style
    told = sample(random, item.category.attributes, 2)
    pairs = [(style["brand"], item.brand), (style["model"], item.model)]
    pairs += [(attribute.name, item.values[attribute.name].plain) for attribute in told]
    writer = Writer(random, item.vocabulary.lexicon)
    writer.sentence(pick(random, item.vocabulary.talk["text"]["advert"]), item.slots, style["gap"])
    tell(item, told, writer)
    source = style["semicolon"].join(f"{name}{style['colon']}{value}" for name, value in pairs)
    return Transfer(**item.shared("advert-0"), source=source, target=writer.text.strip())
