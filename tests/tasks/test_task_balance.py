"""Answers are balanced where a task asks for it, choices are no guesses, and what is certainly absent is asked for."""

from collections import Counter
from typing import Any

from task_strategies import dataset

from ecomgpt.sources.records import Aspect, Dialogue, Entity, EntityText, Product, Question, Review, TextPair, Turn
from ecomgpt.tasks.answers import parse
from ecomgpt.tasks.builders.pairs import _models
from ecomgpt.tasks.declaration import load_tasks
from ecomgpt.tasks.engine import TaskCounts, instructions
from ecomgpt.tasks.pool import points_to, states

TASKS = {task.name: task for task in load_tasks()}


def rows(records: Any, name: str, counts: dict[str, TaskCounts] | None = None, source: Any = None) -> Any:
    found = list(instructions(source or dataset(), records, [TASKS[name]], 0, {} if counts is None else counts))
    return [row for row in found if row.task == f"toy.{name}"]


def head(number: int) -> dict[str, Any]:
    return {"id": str(number), "group": str(number), "language": "en"}


def test_a_common_answer_is_thinned_to_the_rarest() -> None:
    """Nine in ten questions can't be answered; of the rows, half can."""
    questions = [
        Question(
            **head(n), question=f"how long is cable {n}", context=f"text {n}", relevance="none" if n % 10 else "full"
        )
        for n in range(2000)
    ]
    counts: dict[str, TaskCounts] = {}
    found = Counter(row.target for row in rows(questions, "answerable", counts))
    assert 170 < found["no"] < 230 and found["yes"] == 200
    count = counts["toy.answerable"]
    assert count.offered == count.made + sum(count.dropped.values()) == 2000
    graded = Counter(row.target for row in rows(questions, "context_relevance"))
    assert graded["full"] == 200 and 330 < graded["none"] < 470


def test_one_answer_alone_teaches_no_check() -> None:
    reviews = [
        Review(
            **head(n), text=f"r{n}", aspects=(Aspect("positive", category="food"), Aspect("negative", category="price"))
        )
        for n in range(30)
    ]
    assert rows(reviews, "opinions_differ") == []
    # A dataset's own task stays, even if a block holds one label only.
    pairs = [TextPair(**head(n), left=f"left {n}", right=f"right {n}", relation="match") for n in range(5)]
    assert len(rows(pairs, "pair_relation")) == 5


def test_wrong_opinions_are_turned_opinions_too() -> None:
    reviews = [
        Review(**head(n), text=f"The food is good, visit {n}.", aspects=(Aspect("positive", "food", "", 4, 8),))
        for n in range(300)
    ]
    found = rows(reviews, "opinions_fit_review")
    shown = Counter(("positive" in row.prompt.input.rsplit("Opinions", 1)[1], row.target) for row in found)
    assert set(shown) == {(True, "match"), (False, "not match")} and min(shown.values()) > 100


def test_absent_types_are_asked_for() -> None:
    open_set = dataset(labels={})
    text = EntityText(**head(0), text="Acme lamp", entities=(Entity("Brand", 0, 4, "Acme"),), absent=("Color",))
    for row in rows([text], "entity_recognition", source=open_set):
        assert (
            parse("typed_spans", row.target, row.candidates).items == (("Brand", "Acme"),)
            and "Color: None" in row.target
        )
    assert (
        rows([EntityText(**head(1), text="Acme lamp", entities=text.entities)], "types_in_text", source=open_set) == []
    )
    (row,) = rows([text], "types_in_text", source=open_set)
    assert row.target == "Brand" and set(row.candidates) == {"Brand", "Color"}
    product = Product(**head(2), title="Acme lamp", attributes=(("Brand", "Acme"),), absent=("Color",))
    (row,) = rows([product], "attributes_in_title", source=open_set)
    assert sorted(row.target.split("\n")) == ["Brand: Acme", "Color: None"]
    assert sorted(row.target for row in rows([product], "value_of_attribute", source=open_set)) == ["Acme", "None"]


def test_the_first_message_is_more_than_a_greeting() -> None:
    labelled = (("intent", ("greeting",)),)
    turns = (
        Turn("Customer", "Good evening, are you open today?", labelled),
        Turn("Agent", "Yes."),
        Turn("Customer", "My lamp broke.", (("intent", ("refund",)),)),
    )
    (row,) = rows([Dialogue(**head(0), turns=turns, labels={"topic": ("toys",)})], "first_message_topic")
    assert "My lamp broke." in row.prompt.input and "Good evening" not in row.prompt.input
    short = Dialogue(
        **head(1), turns=(Turn("Customer", "Hello there"), Turn("Agent", "Hi")), labels={"topic": ("toys",)}
    )
    assert rows([short], "first_message_topic") == []


def test_order_is_asked_across_speakers_only() -> None:
    turns = tuple(Turn("Customer", f"line {number}") for number in range(6))
    assert rows([Dialogue(**head(0), turns=turns)], "utterances_in_order") == []


def test_what_a_text_states() -> None:
    assert states("a red lamp", "red") and not states("bored", "red") and not states("reds", "red")
    assert states("显瘦的版型", "显瘦") and not states("潮流", "潮") and states("bored red", "red")
    assert points_to("how long is the cable", "USB Cable 2 m", ["Desk lamp"])
    assert not points_to("which color is it", "Blue lamp", ["Red lamp"])
    assert points_to("这款背包多重", "双肩背包 黑色", ["水壶 黑色"]) and not points_to("什么颜色", "背包", ["水壶"])


def test_measures_are_no_model_numbers() -> None:
    assert _models("sony 16gb dsc-h50b 1080p usb3.0 3-season 27inch win10 暖阳K30 TN360") == [
        "dsc-h50b",
        "K30",
        "TN360",
    ]
