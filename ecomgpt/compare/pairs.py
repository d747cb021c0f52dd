"""The questions that both runs answered, in a seeded order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ecomgpt.common.errors import UserError, suggestion
from ecomgpt.common.files import read_json
from ecomgpt.common.hashing import digest
from ecomgpt.config.schema import CompareConfig
from ecomgpt.eval.predictions import read_answers
from ecomgpt.eval.rows import Answer
from ecomgpt.runtime.directory import Run


@dataclass(frozen=True)
class Pair:
    """A question with two answers.

    Attributes:
        a: What ``run_a`` answered.
        b: What ``run_b`` answered.
        title: The task's title, for people.
    """

    a: Answer
    b: Answer
    title: str

    @property
    def task(self) -> str:
        return self.a.row.task

    @property
    def key(self) -> str:
        """Names the question among all tasks."""
        return f"{self.task}/{self.a.row.id}"

    @property
    def same(self) -> bool:
        """True if the answers are equal up to surrounding white space: a tie that needs no judge."""
        return self.a.text.strip() == self.b.text.strip()

    @cached_property
    def digest(self) -> str:
        """Names the question and both answers: a verdict holds for what was shown, and for nothing else."""
        return _hash(self.a.row.prompt.text, self.a.text, self.b.text)

    def first(self, seed: int, annotator: str) -> str:
        """Whose answer is shown first, ``a`` or ``b``: as fair as a coin, and the same at every reload."""
        return "ab"[int(_hash("first", str(seed), self.key, annotator.casefold()), 16) % 2]


class Sample(NamedTuple):
    """The pairs to compare, in the order in which they are shown, and what was left out and why, one sentence each."""

    pairs: list[Pair]
    notes: list[str]


def find(a: Run, b: Run, settings: CompareConfig, seed: int) -> Sample:
    """Matches the answers of both runs and draws ``settings.limit`` rows per task.

    A smaller limit's rows are among a larger one's, and rows of all tasks are mixed, so that whoever stops early has
    seen some of each. Everybody gets the same order, so that two people who stop early have judged the same rows.

    Raises:
        UserError: If they answered no task in common, or different questions under the same ids.
    """
    titles = read_json(a.metrics_file).get("tasks", {})
    pairs: list[Pair] = []
    notes: list[str] = []
    problems: list[str] = []

    def rank(pair: Pair) -> str:
        return _hash("order", str(seed), pair.key)

    for task in _tasks(a, b, settings.tasks):
        first, second = ({one.row.id: one for one in read_answers(run.predictions / f"{task}.jsonl")} for run in (a, b))
        title = titles.get(task, {}).get("title") or task
        both = [Pair(first[name], second[name], title) for name in first if name in second]
        lost = len(first) + len(second) - 2 * len(both)
        if lost:
            notes.append(f"{task}: {lost:,} rows that only one of the runs answered are left out")
        # The cause of different questions is mostly one setting for all, so that the first example is enough.
        different = [pair.a.row.id for pair in both if pair.a.row.prompt.text != pair.b.row.prompt.text]
        if different:
            problems.append(
                f"{task}: {len(different):,} of {len(both):,} rows ask different questions in '{a.path}' and "
                f"'{b.path}' under the same id, the first is {different[0]}; evaluate both with the same suite, "
                "eval.candidates and data"
            )
        pairs += sorted(both, key=rank)[: settings.limit]
    if not pairs and not problems:
        problems = [
            f"run_b: '{b.path}' and '{a.path}' have no row in common; evaluate both with the same eval settings"
        ]
    if problems:
        raise UserError(*problems)
    return Sample(sorted(pairs, key=rank), notes)


def _tasks(a: Run, b: Run, wanted: list[str] | None) -> list[str]:
    first, second = ({path.stem for path in run.predictions.glob("*.jsonl")} for run in (a, b))
    for key, run, names in (("run_a", a, first), ("run_b", b, second)):
        if not names:
            raise UserError(f"{key}: '{run.path}' holds no finished predictions; evaluate it first")
    both = sorted(first & second)
    if not both:
        raise UserError(f"run_b: '{b.path}' and '{a.path}' answered no task in common; evaluate both with one suite")
    unknown = [name for name in wanted or [] if name not in both]
    if unknown:
        raise UserError(
            *(f"compare.tasks: '{name}' is no task that both runs answered{suggestion(name, both)}" for name in unknown)
        )
    return [name for name in both if wanted is None or name in wanted]


def _hash(*parts: str) -> str:
    return digest("\0".join(parts))
