"""A small check for forgetting: four easy skills outside e-commerce, in English and Chinese, made from nothing.

It is no benchmark. It tells whether a model that was tuned on e-commerce can still copy, reverse, calculate and recall
what every child knows; a base model that fails here before training tells nothing by failing after. Words and facts
stand in ``general.toml``; rows depend on the task's language and the seed alone.
"""

import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from ecomgpt.tasks.prompt import instruction_prompt

if TYPE_CHECKING:
    from ecomgpt.eval.rows import EvalRow
    from ecomgpt.eval.task import EvalTask

ROWS = 200
OFFERED = 4


class Made(NamedTuple):
    """One question: the input, what is asked, the answer, and the candidates where the set is closed."""

    text: str
    wording: str
    answer: str
    candidates: tuple[str, ...] = ()


def arithmetic(language: str, number: int, chance: Random) -> Made:
    """Sums, differences and small products of whole numbers, none below zero."""
    sign = "+-×"[number % 3]
    high = 12 if sign == "×" else 99
    one, other = chance.randint(2, high), chance.randint(2, high)
    if sign == "-":
        one, other = max(one, other), min(one, other)
    result = {"+": one + other, "-": one - other, "×": one * other}[sign]
    return Made(f"{one} {sign} {other} =", words_of(language)["arithmetic"], str(result))


def copying(language: str, number: int, chance: Random) -> Made:
    """A line of three to eight words that has to be repeated."""
    words = words_of(language)
    blank = "" if language == "zh" else " "
    line = blank.join(chance.choice(words["nouns"]) for _ in range(chance.randint(3, 8)))
    return Made(line, words["copying"], line)


def reversing(language: str, number: int, chance: Random) -> Made:
    """A list of three to six words, to be written in the opposite order."""
    words = words_of(language)
    nouns = chance.sample(words["nouns"], chance.randint(3, 6))
    comma = "、" if language == "zh" else ", "
    return Made(comma.join(nouns), words["reversing"], comma.join(reversed(nouns)))


def facts(language: str, number: int, chance: Random) -> Made:
    """A sentence with a gap and four words to choose from, the wrong ones right in other sentences of the same kind."""
    words = words_of(language)
    kinds = sorted(words["facts"])
    kind = kinds[number % len(kinds)]
    pairs = words["facts"][kind]["pairs"]
    known, answer = pairs[number // len(kinds) % len(pairs)]
    wrong = sorted({other for _, other in pairs} - {answer, known})
    candidates = [answer, *chance.sample(wrong, OFFERED - 1)]
    chance.shuffle(candidates)
    wording = words["choosing"].replace("{candidates}", ", ".join(candidates))
    return Made(words["facts"][kind]["sentence"].replace("{}", known), wording, answer, tuple(candidates))


GENERATORS: dict[str, Callable[[str, int, Random], Made]] = {
    "arithmetic": arithmetic,
    "copying": copying,
    "reversing": reversing,
    "facts": facts,
}


def rows(task: "EvalTask", seed: int) -> "list[EvalRow]":
    """The rows of a general task, no question twice.

    Args:
        task: Its declaration; ``task`` names a key of `GENERATORS`.
        seed: Decides every random choice, together with the row's number.
    """
    from ecomgpt.eval.rows import EvalRow

    found: dict[str, EvalRow] = {}
    for number in range(ROWS):
        chance = Random(f"{seed}/general/{task.language}/{task.task}/{number}")
        made = GENERATORS[task.task or ""](task.language, number, chance)
        found.setdefault(
            made.text,
            EvalRow(
                id=f"{task.name}/{number}",
                task=task.name,
                prompt=instruction_prompt(words_of("en")["definitions"][task.task], made.wording, made.text),
                target=made.answer,
                candidates=made.candidates,
                form="label" if made.candidates else "text",
                kind="CLS" if made.candidates else "Extract",
                language=task.language,
                source=task.dataset,
            ),
        )
    return list(found.values())


@cache
def words_of(language: str) -> dict[str, Any]:
    """The words, wordings and facts of a language, from ``general.toml``."""
    return tomllib.loads(Path(__file__).with_name("general.toml").read_text(encoding="utf-8"))[language]
