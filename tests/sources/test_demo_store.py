"""The demo store: deterministic, consistent, varied, flat in memory."""

import hashlib
import itertools
import os
import re
import subprocess
import sys
import tracemalloc
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ecomgpt.common.errors import UserError
from ecomgpt.sources.catalog import ReadCounts, load_catalog, read
from ecomgpt.sources.demo.products import make_item
from ecomgpt.sources.demo.reader import store
from ecomgpt.sources.demo.searches import relevance
from ecomgpt.sources.demo.vocabulary import Attribute, load
from ecomgpt.sources.records import (
    KINDS,
    Dialogue,
    EntityText,
    LabelledText,
    Product,
    Question,
    Record,
    Review,
    Search,
    TextPair,
)

LANGUAGES = ("en", "zh")
PRODUCTS = 2000


@pytest.fixture(scope="module", params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def records(language: str) -> list[Record]:
    return list(store(0, 0, PRODUCTS, language))


def of(records: list[Record], kind: type) -> list:
    found = [record for record in records if isinstance(record, kind)]
    assert found
    return found


def shows(text: str, value: str) -> bool:
    """Whether a value stands in a text as words of its own; "L" does not stand in "XL"."""
    before = "(?<![A-Za-z0-9.])" if value[0].isascii() else ""
    after = "(?![A-Za-z0-9])" if value[-1].isascii() else ""
    return re.search(before + re.escape(value) + after, text, re.IGNORECASE) is not None


def digest(records: Any) -> str:
    total = hashlib.blake2b()
    for record in records:
        total.update(repr(record).encode())
    return total.hexdigest()


# -- one store in every process


def test_the_same_in_another_process() -> None:
    code = (
        "import hashlib; from ecomgpt.sources.demo.reader import store\n"
        "total = hashlib.blake2b()\n"
        "for language in ('en', 'zh'):\n"
        "    for record in store(7, 40, 90, language): total.update(repr(record).encode())\n"
        "print(total.hexdigest())"
    )
    root = Path(__file__).resolve().parents[2]
    seen = set()
    for hash_seed in ("1", "2"):
        env = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(root)}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        seen.add(done.stdout.strip())
    assert seen == {digest(itertools.chain(*(store(7, 40, 90, name) for name in LANGUAGES)))}


def test_slices_join_to_the_whole(language: str) -> None:
    whole = list(store(3, 0, 60, language))
    assert [*store(3, 0, 17, language), *store(3, 17, 18, language), *store(3, 18, 60, language)] == whole
    assert digest(store(4, 0, 60, language)) != digest(whole)


def test_ids_are_unique_and_groups_are_products(records: list[Record], language: str) -> None:
    ids = [record.id for record in records]
    assert len(set(ids)) == len(ids)
    assert {record.group for record in records} == {f"{language}-{index}" for index in range(PRODUCTS)}
    assert all(record.id.startswith(record.group + "-") for record in records)
    assert {(record.language, record.split) for record in records} == {(language, "")}
    assert {type(record).__name__ for record in records} == set(KINDS)
    assert {type(record).__name__ for record in records[:20]} == set(KINDS)


# -- the catalogue


def test_read_through_the_catalogue(tmp_path: Path) -> None:
    [dataset] = load_catalog(["demo_store"])
    dataset.options = {"products": 30, "seed": 0, "languages": ["zh", "en"]}
    counts = ReadCounts()
    found = list(read(dataset, tmp_path, counts))
    assert counts.read == counts.kept == len(found)
    assert set(dataset.records) == {type(record).__name__ for record in found}
    assert sorted(map(repr, found)) == sorted(repr(r) for name in LANGUAGES for r in store(0, 0, 30, name))
    assert {record.language for record in found[:40]} == set(LANGUAGES)


@pytest.mark.parametrize(
    "options",
    [{"products": 0}, {"products": "many"}, {"seed": 1.5}, {"languages": ["fr"]}, {"languages": []}, {"prodcts": 5}],
)
def test_wrong_options_are_named(options: dict, tmp_path: Path) -> None:
    [dataset] = load_catalog(["demo_store"])
    dataset.options = options
    with pytest.raises(UserError, match=f"options.{next(iter(options))}"):
        list(read(dataset, tmp_path, ReadCounts()))


def test_declared_labels_are_those_of_the_records(records: list[Record], language: str) -> None:
    [dataset] = load_catalog(["demo_store"])
    shown: dict[str, set[str]] = {
        axis: set() for axis in ("entity", "polarity", "relation", "relevance", "aspect", "topic", "intent")
    }
    shown |= {axis: set() for axis in ("sentiment", "category", "coarse_category")}
    for record in records:
        if isinstance(record, EntityText):
            shown["entity"] |= {entity.type for entity in record.entities}
        elif isinstance(record, Review):
            shown["polarity"] |= {aspect.polarity for aspect in record.aspects}
            shown["aspect"] |= {aspect.category for aspect in record.aspects}
        elif isinstance(record, TextPair):
            shown["relation"].add(record.relation)
        elif isinstance(record, Search):
            shown["relevance"] |= {label for _, label in record.results}
        elif isinstance(record, LabelledText | Dialogue):
            turns = [pair for turn in record.turns for pair in turn.labels] if isinstance(record, Dialogue) else []
            for axis, labels in [*record.labels.items(), *turns]:
                shown[axis] |= set(labels)
    assert shown == {axis: set(dataset.candidates(axis, language)) for axis in shown}
    leaves = {record.category[-1] for record in of(records, Product)}
    assert leaves == shown["category"] and len(leaves) >= 12
    assert {record.category[0] for record in of(records, Product)} == shown["coarse_category"]


# -- true labels


def test_offsets_are_exact(records: list[Record]) -> None:
    for record in of(records, EntityText):
        assert record.entities
        ends = 0
        for entity in record.entities:
            assert record.text[entity.start : entity.end] == entity.term and entity.term.strip() == entity.term
            assert entity.start >= ends
            ends = entity.end
    for record in of(records, Review):
        assert record.aspects
        for aspect in record.aspects:
            assert record.text[aspect.start : aspect.end] == aspect.term != ""


def test_products_are_consistent(records: list[Record], language: str) -> None:
    brand, model = ("Brand", "Model") if language == "en" else ("品牌", "型号")
    values = {c.path: {a.name: {v.shown for v in a.values} for a in c.attributes} for c in load(language).categories}
    for product in of(records, Product):
        attributes = dict(product.attributes)
        assert 5 <= len(product.attributes) <= 9 and len(attributes) == len(product.attributes)
        assert attributes.pop(brand) == product.brand and product.brand in product.title
        assert attributes.pop(model) in product.title
        assert 2 <= len(product.category) <= 3 and product.description and product.cluster == product.group
        assert attributes.keys() == values[product.category].keys()
        assert all(value in values[product.category][name] for name, value in attributes.items())
    offers = Counter(product.cluster for product in of(records, Product))
    assert set(offers.values()) == {1, 2}


def test_polarities_agree_with_ratings(records: list[Record], language: str) -> None:
    good, bad, _ = load(language).labels["polarity"].values()
    for review in of(records, Review):
        counts = Counter(aspect.polarity for aspect in review.aspects)
        balance = counts[good] - counts[bad]
        assert (balance > 0) - (balance < 0) == (review.rating > 3) - (review.rating < 3)


def test_relevance_is_what_the_attributes_say(language: str) -> None:
    words = load(language)
    first, second = words.categories[:2]
    item = make_item("x", words, first, Random(1).random)
    wanted = dict(list(item.values.items())[:2])
    name = next(iter(wanted))
    near = make_item("y", words, first, Random(2).random, item.values)
    near.values[name] = next(v for a in first.attributes if a.name == name for v in a.values if v != wanted[name])
    assert relevance(wanted, first.key, item) == "exact"
    assert relevance(wanted, first.key, near) == "partial"
    assert relevance(wanted, first.key, make_item("z", words, second, Random(3).random)) == "irrelevant"


def test_relevance_shows_in_the_titles(records: list[Record], language: str) -> None:
    """Exact results show all wanted values, partial ones lack some, irrelevant ones are of another kind."""
    words = load(language)
    exact, partial, irrelevant = words.labels["relevance"].values()
    categories = {f"{language}-{i}": words.categories[i % len(words.categories)] for i in range(PRODUCTS)}
    for record in of(records, Search):
        nouns = tuple(noun.shown for noun in categories[record.group].nouns)
        assert 3 <= len(record.results) <= 6 and record.intent
        assert len({label for _, label in record.results}) == 3
        for name, value in record.intent:
            assert value in record.query
            assert name in {a.name for a in categories[record.group].attributes}
        for shown, label in record.results:
            found = [shows(shown, value) for _, value in record.intent]
            assert any(noun in shown for noun in nouns) or label == irrelevant
            if label == exact:
                assert all(found)
            elif label == partial:
                assert not all(found)


def test_pairs_are_told_apart_by_what_they_show(records: list[Record], language: str) -> None:
    words = load(language)
    same, different = words.labels["relation"].values()
    products = {record.group: record for record in of(records, Product)}
    seen = Counter[Any]()
    for record in of(records, TextPair):
        product = products[record.group]
        known = [value for _, value in product.attributes]
        left = [value for value in known if shows(record.left, value) or value in known[:2]]
        assert product.brand in record.left and product.attributes[1][1] in record.left
        lost = [
            value
            for value in left
            if not (shows(record.right, value) or (value in known[:2] and value in record.right))
        ]
        if record.relation == same:
            assert product.brand in record.right and product.attributes[1][1] in record.right
        else:
            assert record.relation == different and lost, record
            seen[
                "brand" if product.brand in lost else "model" if product.attributes[1][1] in lost else "attribute"
            ] += 1
    assert min(seen.values()) > 200 and len(seen) == 3


def test_answers_stand_in_their_contexts(records: list[Record]) -> None:
    questions = of(records, Question)
    extractive = [q for q in questions if q.extractive and q.answers]
    for question in extractive:
        assert all(answer in question.context for answer in question.answers)
    unanswerable = [q for q in questions if not q.answers]
    assert len(unanswerable) == len(questions) / 4 and len(extractive) == len(questions) / 2
    assert all(q.context and q.question for q in questions)


def test_unanswerable_contexts_hold_no_value_of_this_product(records: list[Record], language: str) -> None:
    """The asked attribute's value must not stand in the context; a rival's other value may."""
    words = load(language)
    products = {record.group: dict(record.attributes) for record in of(records, Product)}
    resolved = 0
    unanswerable = [question for question in of(records, Question) if not question.answers]
    for question in unanswerable:
        category = words.categories[int(question.group[3:]) % len(words.categories)]
        asked = [a for a in category.attributes if a.kind not in ("feature", "audience") and asks(question.question, a)]
        if len(asked) == 1:  # a typo, or a wording that several attributes share, hides what was asked
            resolved += 1
            assert not shows(question.context, products[question.group][asked[0].name]), question
    assert resolved > 0.5 * len(unanswerable)


def asks(question: str, attribute: Attribute) -> bool:
    """Whether a question is one of the attribute's own wordings."""
    wordings = [".+".join(re.escape(value) for op, value in phrase if op == 0) for phrase in attribute.ask]
    return any(re.search(wording + "$", question, re.IGNORECASE) for wording in wordings)


def test_dialogues_carry_intents(records: list[Record], language: str) -> None:
    customer = load(language).style["customer"]
    for record in of(records, Dialogue):
        [main] = record.labels["intent"]
        said = [labels for turn in record.turns if turn.speaker == customer for _, labels in turn.labels]
        assert (main,) in said and len(said) * 2 == len(record.turns)
        assert all(not turn.labels for turn in record.turns if turn.speaker != customer)


# -- variety


def test_texts_are_varied_and_short(records: list[Record], language: str) -> None:
    unit = (lambda text: len(text.split())) if language == "en" else (lambda text: len(text) / 1.5)
    texts = {
        "review": ([r.text for r in of(records, Review)], 0.93, 50),
        "title": ([r.title for r in of(records, Product)], 0.99, 16 if language == "en" else 24),
        "query": ([r.query for r in of(records, Search)], 0.85, 13),
        "question": ([r.question + r.context for r in of(records, Question)], 0.97, 75),
        "entities": ([r.text for r in of(records, EntityText)], 0.95, 18 if language == "en" else 24),
        "intent": ([r.text for r in of(records, LabelledText) if "intent" in r.labels], 0.6, 35),
        "dialogue": ([repr(r.turns) for r in of(records, Dialogue)], 0.98, 10_000),
    }
    for name, (lines, distinct, longest) in texts.items():
        assert len(set(lines)) / len(lines) > distinct, name
        assert sum(map(unit, lines)) / len(lines) < longest, name
        assert sorted(map(unit, lines))[int(len(lines) * 0.99)] <= longest, name


def test_review_skeletons(records: list[Record]) -> None:
    """With terms blanked, no sentence makes up more than a small part of the reviews."""
    skeletons = Counter[str]()
    for review in of(records, Review):
        text = review.text
        for aspect in reversed(review.aspects):
            text = text[: aspect.start] + "_" + text[aspect.end :]
        skeletons.update(part.strip() for part in re.split(r"[.。]", text) if part.strip())
    assert len(skeletons) > 1500
    assert skeletons.most_common(1)[0][1] < 0.03 * sum(skeletons.values())


def test_vocabulary_is_moderate(records: list[Record], language: str) -> None:
    texts = [r.text for r in records if isinstance(r, Review | EntityText | LabelledText)]
    words = Counter(
        word for text in texts for word in (re.findall(r"[a-z]+", text.lower()) if language == "en" else text)
    )
    frequent = [word for word, count in words.items() if count > 3]
    assert 500 < len(frequent) < 3000


def test_no_label_is_a_safe_guess(records: list[Record]) -> None:
    labels = {
        "polarity": (Counter(a.polarity for r in of(records, Review) for a in r.aspects), 0.5),
        "rating": (Counter(r.rating for r in of(records, Review)), 0.35),
        "relation": (Counter(r.relation for r in of(records, TextPair)), 0.5),
        "relevance": (Counter(label for r in of(records, Search) for _, label in r.results), 0.4),
        "goal": (Counter(r.labels["intent"] for r in of(records, Dialogue)), 0.15),
    }
    for axis, limit in (("sentiment", 0.5), ("intent", 0.15), ("category", 0.1), ("coarse_category", 0.35)):
        labels[axis] = (Counter(r.labels[axis] for r in of(records, LabelledText) if axis in r.labels), limit)
    for axis, (counts, limit) in labels.items():
        assert counts.most_common(1)[0][1] / counts.total() <= limit, axis
    places = Counter(
        index for r in of(records, Search) for index, (_, label) in enumerate(r.results) if label == r.results[0][1]
    )
    assert places.total() > places[0]


def test_memory_is_flat(language: str) -> Any:
    load(language)

    def peak(products: int) -> int:
        tracemalloc.start()
        try:
            for _ in store(0, 0, products, language):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small, large = peak(50), peak(1200)  # about 900 and 21,000 records
    assert large < small + 1_000_000  # the records themselves would take more than 20 MB
