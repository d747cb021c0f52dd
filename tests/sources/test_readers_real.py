"""The real datasets, where they lie on this machine: every file, every row, every offset."""

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from ecomgpt.sources.catalog import folder, load_catalog, locate, read
from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.keep import ReadCounts
from ecomgpt.sources.records import (
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

CATALOG = {dataset.name: dataset for dataset in load_catalog() if dataset.reader != "demo"}
NOT_DATA = {"abcd_sample/guidelines.json"}
"""The guidelines for agents: no conversations in it."""

COUNTED = {
    "abcd_sample": (3, {"turns": 72}),
    "advertisegen": (769, {"attributes": 5776}),
    # 4405 and 1495 attribute values, 636 and 238 of them n/a; ten of those stand beside a value.
    "ae110k": (2092, {"attributes": 5026, "entities": 5026, "absent": 864}),
    # 345 + 395 + 369, 163 + 159 + 124 and 89 + 87 + 78 cells that are not -2.
    "asap_sample": (300, {"正面": 1109, "中性": 446, "负面": 254}),
    "bitext_customer_service": (8226, {}),
    "ecommerce_ner_zh": (5478, {"entities": 26781}),
    "epqa": (4166, {"answers": 1510, "fully answers": 1016, "partially answers": 494, "does not answer": 2656}),
    "eprstmt": (2077, {"正面": 437, "负面": 439}),
    # Of the pairs for matching, those on a product of the test split are left out: 2310, 2086 and 400.
    "er_abt_buy": (1937, {"same product": 301, "different products": 1636}),
    "er_walmart_amazon": (3854, {"same product": 459, "different products": 3395}),
    "mams_absa": (5297, {"positive": 400 + 3380 + 403, "negative": 329 + 2764 + 325, "neutral": 607 + 5042 + 604}),
    "mgshopdial": (64, {"turns": 2196}),
    "online_shopping_10_cats": (13164, {"正面": 6769, "负面": 6395}),
    "pricerunner": (18066, {}),
    "semeval14_laptops": (3411, {"positive": 981, "negative": 862, "neutral": 459, "conflict": 45}),
    "semeval14_restaurants": (3035, {"conflict": 91 + 195}),
    "semeval15_laptops": (2293, {"positive": 1637, "negative": 1094, "neutral": 185}),
    "semeval15_restaurants": (1274, {"positive": 1197, "negative": 403, "neutral": 53}),
    "semipqa": (2962, {}),
    "semipqa_ranking": (3903, {"answers the question": 263, "does not answer the question": 3640}),
    "subjqa": (1354, {"answers": 496}),
    "tv_tshirt_absa": (6991, {"positive": 4518, "negative": 2054, "neutral": 419}),
    "waimai_10k": (11973, {"正面": 3993, "负面": 7980}),
    "wdc_products": (10767, {"same product": 2819, "different products": 7948}),
    "zh_product_absa": (6051, {"正面": 4185, "负面": 1866}),
}
"""Rows kept, and what they hold; the files were counted apart from the readers, with ElementTree, csv and json."""


def contents(record: Record) -> Counter[str]:
    """What a record holds, by label."""
    found = Counter[str]()
    if isinstance(record, Review):
        found.update(aspect.polarity for aspect in record.aspects)
    elif isinstance(record, EntityText):
        found.update(entities=len(record.entities), absent=len(record.absent))
    elif isinstance(record, Dialogue):
        found["turns"] = len(record.turns)
    elif isinstance(record, TextPair):
        found[record.relation] = 1
    elif isinstance(record, Question):
        found.update({record.relevance: 1, "answers": len(record.answers)})
    elif isinstance(record, LabelledText):
        found.update(record.labels.get("sentiment", ()))
    elif isinstance(record, Product):
        found["attributes"] = len(record.attributes)
    return found


def described(raw: Path) -> dict[str, int]:
    """File to number of rows, from the tables in the folders' SOURCE.md."""
    found = {}
    for source in sorted(raw.glob("*/SOURCE.md")):
        for file, rows in re.findall(
            r"^\| (\S+) \| (\d+) \| \d+ \| \d+ \|$", source.read_text(encoding="utf-8"), re.MULTILINE
        ):
            found[f"{source.parent.name}/{file}"] = int(rows)
    return found


@pytest.fixture(scope="module")
def rows(real_data: Any) -> Any:
    return described(real_data / "raw")


def test_every_file_of_every_folder_is_read(real_data: Any, rows: Any) -> None:
    assert len({file.split("/")[0] for file in rows}) == 22
    read_files = {
        path.relative_to(real_data / "raw").as_posix()
        for dataset in CATALOG.values()
        for _, path in locate(dataset, real_data)
    }
    assert set(rows) - read_files == NOT_DATA


@pytest.mark.parametrize("name", CATALOG)
def test_a_dataset_reads_to_the_row(real_data: Any, rows: Any, name: str) -> None:
    dataset, counts = CATALOG[name], ReadCounts()
    files = locate(dataset, real_data)
    if not files:
        pytest.skip(f"{name} is not in {folder(dataset, real_data)}")
    splits, ids, held = defaultdict[str, set[str]](set), set[str](), Counter[str]()
    for record in read(dataset, real_data, counts, max_bad_rows=0):
        assert record.id not in ids, record.id
        ids.add(record.id)
        assert record.language == dataset.language
        splits[record.group].add(record.split)
        check(record, dataset)
        held += contents(record)
    kept, expected = COUNTED[name]
    assert counts.kept == kept and {label: held[label] for label in expected} == expected
    assert counts.read == sum(rows[path.relative_to(real_data / "raw").as_posix()] for _, path in files)
    assert (
        counts.read == counts.kept + sum(counts.dropped.values())
        and counts.kept > 0
        and "malformed" not in counts.dropped
    )
    assert set(counts.records) == set(dataset.records)
    assert [group for group, found in splits.items() if len(found) > 1] == []


def check(record: Record, dataset: Dataset) -> None:
    """Offsets are exact, labels are those declared, nothing is empty."""
    if isinstance(record, EntityText):
        names = dataset.candidates("entity", record.language)
        for entity in record.entities:
            assert entity.term == record.text[entity.start : entity.end] != ""
            assert not names or entity.type in names
    if isinstance(record, Review):
        for aspect in record.aspects:
            assert aspect.polarity in dataset.candidates("polarity", record.language)
            assert not aspect.category or aspect.category in dataset.candidates("category", record.language)
            assert aspect.term == (record.text[aspect.start : aspect.end] if aspect.start >= 0 else "")
    if isinstance(record, LabelledText):
        assert record.text == record.text.strip() != ""
        for axis, labels in record.labels.items():
            assert set(labels) <= set(dataset.candidates(axis, record.language))
    if isinstance(record, Question):
        assert record.question and all(answer == answer.strip() != "" for answer in record.answers)
        assert record.extractive == (
            bool(record.answers) and all(answer in record.context for answer in record.answers)
        )
        if dataset.options.get("span"):
            assert record.extractive == bool(record.answers)
            assert "ANSWERNOTFOUND" not in record.context
    if isinstance(record, TextPair):
        assert record.left and record.right and record.relation in dataset.candidates("relation", record.language)
        assert "COL " not in record.left and '"@en' not in record.left + record.right
    if isinstance(record, Search):
        assert record.results


def test_a_text_never_stands_in_two_groups(real_data: Any) -> None:
    for name in (
        "bitext_customer_service",
        "pricerunner",
        "ae110k",
        "online_shopping_10_cats",
        "zh_product_absa",
        "semeval15_laptops",
    ):
        if not locate(CATALOG[name], real_data):
            continue
        groups = defaultdict(set)
        for record in read(CATALOG[name], real_data, ReadCounts()):
            text = getattr(record, "text", "") or getattr(record, "title", "")
            groups[" ".join(text.lower().split())].add(record.group)
        assert max(len(found) for found in groups.values()) == 1, name


def test_the_training_side_of_a_held_out_set_is_excluded() -> None:
    assert "held-out" in (CATALOG["semeval14_restaurants"].excluded or "")
    assert CATALOG["semeval14_laptops"].excluded is None
    for dataset in CATALOG.values():
        assert bool(dataset.excluded) == bool(dataset.protects), dataset.name


def test_protected_names_are_those_of_the_held_out_tasks(real_data: Any) -> None:
    released = {path.name for path in real_data.glob("ecom_instruct_v1/*/tasks/*")}
    for dataset in CATALOG.values():
        assert set(dataset.protects) <= released, dataset.name
