"""Evaluation texts stay out of training, whatever they are disguised as; texts that only look like them stay in."""

import random

import pytest

from ecomgpt.common.text import holds_chinese
from ecomgpt.config.schema.data import LeakConfig
from ecomgpt.data.leaks import EXAMPLES, Guard, Leaks
from ecomgpt.tasks.instruction import Instruction
from ecomgpt.tasks.prompt import instruction_prompt

ENGLISH = (
    "The waiter was friendly but the soup arrived cold and the bread was dry as dust that evening, so we left early"
)
CHINESE = "这家店的服务员态度很好但是汤端上来的时候已经凉了面包也干得像灰尘一样所以我们早早就离开了"
SUITE = [
    ("en-task", ENGLISH),
    ("zh-task", CHINESE),
    ("short", "Great food, kind people"),
    ("tiny", "Great food"),
    ("小", "很好吃"),
]
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


@pytest.fixture(scope="module")
def guard() -> Guard:
    return Guard(SUITE, LeakConfig())


# Four disguises, each in both languages: spelling, surroundings, layout, and some words changed.
SPELLING = [
    ENGLISH.upper() + "!!!",
    ENGLISH.translate(FULL_WIDTH),
    ENGLISH.replace(" ", "  , "),
    ENGLISH.replace(",", "").replace("e", "E"),
    ENGLISH.replace(" ", "&nbsp;"),
    ENGLISH.replace("e", "e\u00ad"),
    "&#8203;".join(CHINESE),
    "\u200b".join(CHINESE),
    f"«{CHINESE}»",
    "，".join(CHINESE[i : i + 7] for i in range(0, len(CHINESE), 7)),
    " ".join(CHINESE),
    CHINESE + "。。。",
]
SURROUNDINGS = [
    f"Review 12: {ENGLISH}, and so on. Would I go back? Hardly.",
    f"Title: Soup\nReview: {ENGLISH}\nRating: 2",
    "We came on a Monday. " * 30 + ENGLISH + " Never again." * 30,
    f"点评：{CHINESE}。总之不会再去了，大家慎重。",
    "星期一来的。" * 30 + CHINESE,
    f"1. 不错\n2. {CHINESE}\n3. 一般",
]
LAYOUT = [
    ENGLISH.replace(" ", "\n"),
    ENGLISH.replace(" ", "\u3000"),
    ENGLISH.replace(", ", ",\r\n\t"),
    "\u2028".join(ENGLISH.split()),
    "\n".join(CHINESE[i : i + 9] for i in range(0, len(CHINESE), 9)),
    "\u200b" + CHINESE.replace("但是", "\n但是"),
]
WORDS = [
    ENGLISH.replace("friendly", "kind").replace("evening", "night"),
    ENGLISH.replace("soup", "stew").replace("dry as dust", "rather dry"),
    "We came on a Monday. " * 30 + ENGLISH.replace("waiter", "boy").replace("cold", "lukewarm") + " Never again." * 30,
    "So we left early: " + ENGLISH.removesuffix(", so we left early"),
    CHINESE.replace("很好", "不错").replace("灰尘", "沙子"),
    "星期一来的。" * 30 + CHINESE.replace("但是", "可是").replace("离开", "回家"),
    "所以我们早早就离开了，" + CHINESE.removesuffix("所以我们早早就离开了"),
]


@pytest.mark.parametrize("text", [*SPELLING, *SURROUNDINGS, *LAYOUT, *WORDS])
def test_a_disguised_leak_is_caught(guard: Guard, text: str) -> None:
    assert guard.leak(text) == ("zh-task" if holds_chinese(text) else "en-task")


@pytest.mark.parametrize(
    "text",
    [
        "The waiter was rude, but the soup arrived hot and the wine was as good as the one that we had last summer in "
        "Rome",
        "The waiter was friendly and the bread was fresh, great food all in all",
        "So we left early and the bread was cold",
        " ".join(sorted(ENGLISH.split())),
        "那家店的服务员很忙，汤端上来的时候还是热的，面包刚刚出炉，我们一直坐到打烊才离开",
        "这家店的服务员态度很好，面包也很新鲜，推荐大家来试试。",
        "我觉得这家的面很好吃",
        "",
        "!!! 。。。",
        "It has great food, kind people and a fine view over the harbour, and we shall surely come back next year",
    ],
)
def test_a_look_alike_is_kept(guard: Guard, text: str) -> None:
    assert guard.leak(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "great FOOD",
        "Great food.",
        "很好吃！",
        "Great food, kind people",
        "1. bad\n2. great food, kind people\n3. so so",
    ],
)
def test_a_short_text_counts_where_it_stands_alone(guard: Guard, text: str) -> None:
    assert guard.leak(text) in ("tiny", "小", "short")


def test_random_texts_are_kept() -> None:
    """Look-alikes by the thousand: texts over a few hundred words, against texts over the same words."""
    chance = random.Random(0)
    words = [f"word{number}" for number in range(300)]
    texts = [" ".join(chance.choices(words, k=chance.randint(8, 60))) for _ in range(1500)]
    guard = Guard([("task", text) for text in texts[:500]], LeakConfig())
    assert not any(guard.leak(text) for text in texts[500:])
    assert all(guard.leak(f"{texts[-1]} {text}\n{texts[-2]}") for text in texts[:500])


def test_the_guard_can_be_switched_off() -> None:
    assert Guard(SUITE, LeakConfig(enabled=False)).leak(ENGLISH) is None


def test_the_first_task_is_named_in_every_process() -> None:
    """Sets have another order in every process; the report must not."""
    suite = [
        (f"task {number}", f"{ENGLISH} {number}{number} and then some more words of number {number}")
        for number in range(20)
    ]
    text = " ".join(text for _, text in suite)
    assert Guard(suite, LeakConfig()).leak(text) == "task 0"


def test_a_few_examples_of_each_task_are_kept_for_people() -> None:
    leaks = Leaks()
    for number in range(20):
        prompt = instruction_prompt("x", "y", "z")
        row = Instruction(
            id=f"s{number % 2}.t/{number}",
            task=f"s{number % 2}.t",
            source=f"s{number % 2}",
            group="g",
            split="train",
            language="en",
            prompt=prompt,
            target="t",
        )
        leaks.add(row, "task")
    assert leaks.by_task == {"task": 20} and leaks.by_source == {"s0": {"task": 10}, "s1": {"task": 10}}
    assert leaks.by_example_task == {"s0.t": 10, "s1.t": 10} and leaks.examples == {
        "task": [f"s{n % 2}.t/{n}" for n in range(EXAMPLES)]
    }
