"""The questions that both runs answered, in a seeded order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

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


@dataclass(frozen=True)
class Sample:
    """The pairs to compare.

    Attributes:
        pairs: In the order in which they are shown.
        notes: What was left out and why, one sentence each.
    """

    pairs: list[Pair]
    notes: list[str]


def find(a: Run, b: Run, settings: CompareConfig, seed: int) -> Sample:
    """Matches the answers of both runs and draws ``settings.limit`` rows a task.

    A smaller limit's rows are among a larger one's, and rows of all tasks are mixed, so that whoever stops early has
    seen some of each. Everybody gets the same order, so that two people who stop early have judged the same rows.

    Raises:
        UserError: If they answered no task in common, or different questions under the same ids.
    """
    shared = _tasks(a, b, settings.tasks)
    titles = read_json(a.metrics_file).get("tasks", {})
    pairs: list[Pair] = []
    notes: list[str] = []
    problems: list[str] = []
    for task in shared:
        first, second = ({one.row.id: one for one in read_answers(run.predictions / f"{task}.jsonl")} for run in (a, b))
        both = [
            Pair(first[name], second[name], titles.get(task, {}).get("title") or task)
            for name in first
            if name in second
        ]
        lost = len(first) + len(second) - 2 * len(both)
        if lost:
            notes.append(f"{task}: {lost:,} rows that only one of the runs answered are left out")
        problems += _different(task, both, a.path, b.path)
        pairs += sorted(both, key=lambda pair: _rank(seed, pair))[: settings.limit]
    if problems:
        raise UserError(*problems)
    if not pairs:
        raise UserError(
            f"run_b: '{b.path}' and '{a.path}' have no row in common; evaluate both with the same eval settings"
        )
    return Sample(sorted(pairs, key=lambda pair: _rank(seed, pair)), notes)


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


def _different(task: str, pairs: list[Pair], a: Path, b: Path) -> Iterator[str]:
    """Reports rows that can't be compared, with the first example: the cause is mostly one setting for all."""
    different = [pair for pair in pairs if pair.a.row.prompt.text != pair.b.row.prompt.text]
    if different:
        yield (
            f"{task}: {len(different):,} of {len(pairs):,} rows ask different questions in '{a}' and '{b}' under the "
            f"same id, the first is {different[0].a.row.id}; evaluate both with the same suite, eval.candidates and data"
        )


def _rank(seed: int, pair: Pair) -> str:
    return _hash("order", str(seed), pair.key)


def _hash(*parts: str) -> str:
    return digest("\0".join(parts))
