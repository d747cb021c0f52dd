"""The demo store as a source: any slice of it, and the reader that the catalog calls."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from ecomgpt.errors import UserError
from ecomgpt.sources.demo import vocabulary
from ecomgpt.sources.demo.dialogues import dialogue, message
from ecomgpt.sources.demo.products import advert, make_item, offers, title, title_pairs
from ecomgpt.sources.demo.questions import questions
from ecomgpt.sources.demo.reviews import review, sentiment
from ecomgpt.sources.demo.searches import search
from ecomgpt.sources.demo.texts import category_text, entity_texts
from ecomgpt.sources.records import Record

if TYPE_CHECKING:
    from ecomgpt.sources.catalog import ReadCounts
    from ecomgpt.sources.dataset import Dataset

LANGUAGES = ("en", "zh")


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


def read_demo(
    dataset: "Dataset", files: Sequence[tuple[str, Path]], counts: "ReadCounts", max_bad_rows: int = 0
) -> Iterator[Record]:
    """The store as the dataset's options say: ``products`` a language, ``seed``, ``languages``. There are no files.

    Raises:
        UserError: With all wrong options.
    """
    products, seed = dataset.options.get("products", 2000), dataset.options.get("seed", 0)
    languages = dataset.options.get("languages", list(LANGUAGES))
    problems = []
    if not isinstance(products, int) or isinstance(products, bool) or products < 1:
        problems.append(f"{dataset.name}: options.products is {products!r}; give a whole number from 1")
    if not isinstance(seed, int) or isinstance(seed, bool):
        problems.append(f"{dataset.name}: options.seed is {seed!r}; give a whole number")
    if not isinstance(languages, Sequence) or not languages or not set(languages) <= set(LANGUAGES):
        problems.append(f"{dataset.name}: options.languages is {languages!r}; give a list of en, zh")
    if problems:
        raise UserError(*problems)
    for index in range(products):
        for language in languages:
            for record in store(seed, index, index + 1, language):
                counts.read += 1
                counts.kept += 1
                yield record
