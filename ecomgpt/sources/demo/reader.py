"""The demo store as a source: any slice of it, and the reader that the catalog calls."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING

from ecomgpt.common.errors import UserError
from ecomgpt.sources.demo import vocabulary
from ecomgpt.sources.demo.conversations import dialogue, message
from ecomgpt.sources.demo.products import advert, make_item, offers, title, title_pairs
from ecomgpt.sources.demo.questions import questions
from ecomgpt.sources.demo.reviews import review, sentiment
from ecomgpt.sources.demo.searches import search
from ecomgpt.sources.demo.texts import category_text, entity_texts
from ecomgpt.sources.records import Record

if TYPE_CHECKING:
    from ecomgpt.sources.dataset import Dataset

LANGUAGES = ("en", "zh")
RECORDS = 17.5
"""Of a product, on average: every other one is offered twice."""
OPTIONS: dict[str, str] = {
    "products": "how many products each language has, each with 17 to 18 records (2000)",
    "seed": "makes another store (0)",
    "pseudo": "'also' lets the store's own annotation stand for a chat model's in pseudo tasks (none)",
    "languages": "which of en and zh ([en, zh])",
}


def store(seed: int, start: int, stop: int, language: str) -> Iterator[Record]:
    """All records of the products ``start`` to ``stop - 1`` of one language.

    Product i and its records depend on (seed, i, language) alone, so that slices made anywhere join to the same store.
    The products that queries and pairs compare it with belong to it too and to no other product: nothing is shared
    between groups.
    """
    words = vocabulary.load(language)
    for index in range(start, stop):
        random = Random(f"{seed}/{language}/{index}").random
        category = words.categories[index % len(words.categories)]
        item = make_item(f"{language}-{index}", words, category, random)
        name = title(item, random)[0]
        yield from offers(item, random, name)
        yield review(item, random, 0, name)
        yield search(item, random)
        yield dialogue(item, random)
        yield from questions(item, random, name)
        yield from entity_texts(item, random)
        yield from title_pairs(item, random)
        yield sentiment(item, random)
        yield message(item, random)
        yield category_text(item, random)
        yield review(item, random, 1, name)
        yield advert(item, random)


def records(dataset: "Dataset") -> int:
    """About how many records the store has."""
    return round(dataset.options.get("products", 2000) * len(dataset.options.get("languages", LANGUAGES)) * RECORDS)


def read_demo(dataset: "Dataset") -> Iterator[Record]:
    """The store as the dataset's options say, all kinds and languages interleaved product by product.

    Raises:
        UserError: With all wrong options.
    """
    products, seed = dataset.options.get("products", 2000), dataset.options.get("seed", 0)
    languages = dataset.options.get("languages", list(LANGUAGES))
    unknown = [name for name in dataset.options if name not in OPTIONS]
    problems = [f"options.{name}: unknown; known are {', '.join(OPTIONS)}" for name in unknown]
    if type(products) is not int or products < 1:
        problems.append(f"options.products: {products!r} is no number of products; give a whole number from 1")
    if type(seed) is not int:
        problems.append(f"options.seed: {seed!r} is no seed; give a whole number")
    if not isinstance(languages, Sequence) or not languages or not set(languages) <= set(LANGUAGES):
        problems.append(f"options.languages: {languages!r} won't do; give a list of {', '.join(LANGUAGES)}")
    if problems:
        raise UserError(*(f"{dataset.path or dataset.name}: {problem}" for problem in problems))
    for index in range(products):
        for language in languages:
            yield from store(seed, index, index + 1, language)
