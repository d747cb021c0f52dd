"""Recombined tasks are balanced, their distractors are real, and none of them is true by accident."""

import re
from typing import Any

import pytest

from ecomgpt.sources.catalog import load_catalog
from ecomgpt.sources.demo.reader import store
from ecomgpt.sources.records import (
    Entity,
    EntityText,
    LabelledText,
    Product,
    Question,
    Review,
    Search,
    TextPair,
    Transfer,
)
from ecomgpt.tasks.declaration import applies, load_tasks
from ecomgpt.tasks.engine import instructions

TASKS = {task.name: task for task in load_tasks()}
STORE = load_catalog(["demo_store"])[0]
RECORDS = [record for language in ("en", "zh") for record in store(3, 0, 200, language)]
BY_ID = {record.id: record for record in RECORDS}
YES_NO = [task.name for task in TASKS.values() if task.candidates and task.label == "golden" and applies(task, STORE)]


@pytest.fixture(scope="module")
def rows() -> Any:
    found: dict[str, list] = {}
    for row in instructions(STORE, RECORDS, list(TASKS.values()), 0, {}):
        found.setdefault(row.task.removeprefix("demo_store."), []).append(row)
    return found


def source(row: Any) -> Any:
    return BY_ID[row.id.split("/", 1)[1].split("#")[0]]


def holds(row: Any) -> bool:
    return any(
        row.target == TASKS[row.task.removeprefix("demo_store.")].candidates[language][0] for language in ("en", "zh")
    )


def negatives(rows: Any, name: str) -> Any:
    found = [row for row in rows[name] if not holds(row)]
    assert len(found) > 40
    return found


def field(row: Any, *names: str) -> str:
    """A field of the input, up to the next one."""
    match = re.search(rf"^(?:{'|'.join(names)})(?:: |：)(.*)$", row.prompt.input, re.M)
    assert match, row.prompt.input
    return match.group(1)


@pytest.mark.parametrize("name", YES_NO)
def test_yes_and_no_are_balanced(rows: Any, name: str) -> None:
    verdicts = [holds(row) for row in rows[name]]
    assert len(verdicts) > 100 and 0.4 < sum(verdicts) / len(verdicts) < 0.6


@pytest.mark.parametrize("name", YES_NO)
def test_the_answer_does_not_show_in_the_prompt(rows: Any, name: str) -> None:
    """Both candidates are named, or the answer would stand there."""
    for row in rows[name][:200]:
        assert all(candidate in row.prompt.after for candidate in row.candidates)


def test_foreign_attributes_contradict_the_title(rows: Any) -> None:
    for row in negatives(rows, "title_fits_attributes"):
        shown = dict(
            re.split(": |：", pair, maxsplit=1) for pair in re.split("; |；", field(row, "Attributes", "属性"))
        )
        mine = source(row).attributes
        assert any(name in dict(mine) and (name, value) not in mine for name, value in shown.items())


def test_what_the_title_states_is_no_wrong_attribute() -> None:
    """Annotators named one sport of two: the other one is no contradiction."""
    titles = {"Skiing": "Goggles for Skiing and CYCLING", "Cycling": "Cycling glasses", "Yoga": "Yoga mat"}
    records = [
        Product(id=sport, group=sport, language="en", title=title, category=("Sport",), attributes=(("Sport", sport),))
        for sport, title in titles.items()
    ]
    shown = set()
    for seed in range(20):
        rows = instructions(STORE, records, [TASKS["title_fits_attributes"]], seed, {})
        shown |= {(field(row, "Title"), field(row, "Attributes")) for row in rows if not holds(row)}
    assert (titles["Skiing"], "Sport: Yoga") in shown
    assert (titles["Skiing"], "Sport: Cycling") not in shown


def test_foreign_descriptions_and_titles_are_of_other_products(rows: Any) -> None:
    for row in negatives(rows, "title_fits_description"):
        assert field(row, "Description", "描述") != source(row).description
    for row in negatives(rows, "same_product"):
        other = row.prompt.input.split("\n2. ")[1]
        assert not any(
            isinstance(r, Product) and r.title == other and r.cluster == source(row).cluster for r in RECORDS
        )
    for row in rows["pick_same_product"]:
        right = [r.title for r in RECORDS if isinstance(r, Product) and r.cluster == source(row).cluster]
        assert row.target in right and not set(row.candidates) - {row.target} & set(right)


def test_foreign_brands_and_values_are_not_in_the_text(rows: Any) -> None:
    for row in negatives(rows, "brand_check"):
        assert f"{source(row).brand}" not in row.prompt.after
    for row in negatives(rows, "attribute_check"):
        text = f"{source(row).title}\n{source(row).description}"
        asked = [value for name, value in source(row).attributes if value in row.prompt.after and len(value) > 3]
        assert all(value in text for value in asked)


def test_foreign_documents_and_answers_are_irrelevant(rows: Any) -> None:
    for row in rows["pick_document"]:
        answer = source(row).answers[0]
        assert row.target == " ".join(source(row).context.split())
        assert not any(answer in candidate for candidate in row.candidates if candidate != row.target)
    for row in rows["pick_answer"]:
        wrong = [candidate for candidate in row.candidates if candidate != row.target]
        assert wrong and not any(text.casefold() in source(row).context.casefold() for text in wrong)
    for row in negatives(rows, "answer_fits"):
        assert field(row, "Answer", "回答") not in source(row).answers


def test_foreign_opinions_are_not_held(rows: Any) -> None:
    for row in negatives(rows, "opinions_fit_review"):
        held = {(aspect.term, aspect.polarity) for aspect in source(row).aspects}
        shown = {tuple(pair.rsplit(": ", 1)) for pair in field(row, "Opinions", "观点").split("; ")}
        assert shown - held
    for row in negatives(rows, "review_fits_product"):
        assert field(row, "Product", "商品") != source(row).product


def test_foreign_entities_are_not_in_the_text(rows: Any) -> None:
    for row in negatives(rows, "entities_fit_text"):
        terms = [pair.split(": ", 1)[1] for pair in field(row, "Entities", "实体").split("; ")]
        assert not all(term in source(row).text for term in terms)
    for row in rows["text_for_entities"]:
        own = {entity.term for entity in source(row).entities}
        assert not any(all(term in text for term in own) for text in row.candidates if text != row.target)


def test_shown_products_keep_their_judgement(rows: Any) -> None:
    for row in rows["query_fits_product"]:
        label = dict(source(row).results)[field(row, "Product", "商品")]
        assert label == STORE.candidates("relevance", row.language)[0 if holds(row) else -1]
    for row in rows["product_for_query"]:
        best = STORE.candidates("relevance", row.language)[0]
        labels = {" ".join(title.split()): label for title, label in source(row).results}
        assert [labels[title] == best for title in row.candidates] == [title == row.target for title in row.candidates]


def test_chinese_queries_that_share_a_word_are_no_distractors() -> None:
    queries = ["男士运动鞋", "运动鞋透气", "陶瓷茶壶"]
    records = [
        Search(
            id=query,
            group=query,
            language="zh",
            query=query,
            results=((f"{query} 新款", "相关"), (f"手机壳 {query}", "不相关")),
        )
        for query in queries
    ]
    labels = {**STORE.labels, "relevance.zh": {"相关": "相关", "不相关": "不相关"}}
    dataset = STORE.model_copy(update={"labels": labels})
    rows = {
        row.id.split("/")[1]: row.candidates
        for row in instructions(dataset, records, [TASKS["product_among_others"]], 0, {})
    }
    assert set(rows["男士运动鞋"]) == {"男士运动鞋 新款", "陶瓷茶壶 新款"}


def test_other_labels_are_other(rows: Any) -> None:
    for name, axis in (("same_sentiment", "sentiment"), ("same_intent", "intent"), ("same_category", "category")):
        labels = {r.text: r.labels[axis] for r in RECORDS if isinstance(r, LabelledText) and axis in r.labels}
        for row in rows[name]:
            shown = re.match(r"1\. (.*)\n2\. (.*)$", row.prompt.input)
            assert shown
            first, second = shown.groups()
            assert (labels[first] == labels[second]) == holds(row)


def test_the_same_text_is_never_its_own_distractor() -> None:
    """Twins in everything but the id give no negatives at all."""
    head = [{"id": str(number), "group": str(number), "language": "en"} for number in range(8)]
    twins = [
        lambda h: Product(
            **h,
            title="Red Kettle",
            category=("Pans",),
            brand="Zorb",
            attributes=(("Color", "Red"), ("Size", "1 l")),
            description="A red one.",
        ),
        lambda h: EntityText(**h, text="Zorb Kettle", entities=(Entity("Brand", 0, 4, "Zorb"),)),
        lambda h: LabelledText(**h, text="good", labels={"sentiment": ("positive",)}),
        lambda h: Question(
            **h, question="Which color?", context="It is red.", answers=("red",), product="Red Kettle", extractive=True
        ),
        lambda h: Review(**h, text="Great lid", rating=5, product="Red Kettle"),
        lambda h: Search(**h, query="red kettle", results=(("Red Kettle", "exact"),), intent=(("Color", "red"),)),
        lambda h: TextPair(**h, left="Kettle X20", right="The X20", relation="same"),
        lambda h: Transfer(**h, source="Color: red", target="It is red."),
    ]
    recombined = [task for task in TASKS.values() if task.operation == "recombination"]
    for make in twins:
        assert list(instructions(STORE, [make(h) for h in head], recombined, 0, {})) == []


def test_a_test_record_is_no_distractor_of_a_training_record() -> None:
    records = [
        Product(
            id=f"{split}{n}",
            group=f"{split}{n}",
            language="en",
            split=split,
            title=f"{split} kettle {n}",
            category=("Pans",),
            attributes=(("Color", f"c{n}"), ("Size", f"s{n}")),
        )
        for n in range(10)
        for split in ("train", "test")
    ]
    rows = list(instructions(STORE, records, [TASKS["pick_title"]], 0, {}))
    assert len(rows) == 20 and all(candidate.startswith(row.split) for row in rows for candidate in row.candidates)
