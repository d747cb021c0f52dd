"""Which tasks and which of their examples make the mixture; every choice hangs on the seed and on names."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ecomgpt.common import hashing
from ecomgpt.config.schema import DataConfig
from ecomgpt.sources.dataset import Dataset
from ecomgpt.tasks.chain import sort_of
from ecomgpt.tasks.declaration import Task, applies

NO_CAP = np.iinfo(np.int64).max
NOT_AMONG_TASKS = "not among data.max_tasks"
OVER_CAP = "over the cap (data.max_examples_per_task, data.weights)"
OVER_SHARE = "over its share (data.temperature)"


@dataclass(frozen=True)
class PlannedTask:
    """A task of the mixture: a declaration on a dataset."""

    dataset: Dataset
    task: Task

    @property
    def name(self) -> str:
        """``<dataset>.<task>``."""
        return f"{self.dataset.name}.{self.task.name}"


def wanted_tasks(tasks: Sequence[Task], dataset: Dataset, data: DataConfig, held_out: Sequence[str]) -> list[Task]:
    """The tasks that a mixture takes from a dataset.

    ``held_out`` are ``<dataset>.<task>`` names that the evaluation keeps for itself.
    """
    return [
        task
        for task in tasks
        if applies(task, dataset)
        and task.kind in data.kinds
        and (task.kind == "raw" or task.label in data.labels)
        and (data.families is None or task.family in data.families)
        and (data.tasks is None or named(task, dataset, data.tasks))
        and not named(task, dataset, data.exclude)
        and not named(task, dataset, held_out)
    ]


def named(task: Task, dataset: Dataset, names: Sequence[str]) -> bool:
    """Whether a list names a task, alone or with its dataset."""
    return task.name in names or f"{dataset.name}.{task.name}" in names


def sort_keys(seed: int, ids: Sequence[str]) -> np.ndarray:
    """The keys that give the examples their seeded order, shape (examples,), uint64.

    A hash of seed and id: a smaller cap's examples are among a larger one's, and any prefix is a fair sample.
    """
    return np.array([hashing.number(f"{seed}/{one}") for one in ids], dtype=np.uint64)


def top_k_per_task(tasks: np.ndarray, keys: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Marks the first ``k[task]`` examples of each task.

    Args:
        tasks: Number of each example's task, shape (examples,).
        keys: Sort key of each example, shape (examples,).
        k: How many of each task, shape (tasks,).

    Returns:
        Shape (examples,), bool.
    """
    by_task = np.lexsort((keys, tasks))
    numbers = tasks[by_task]
    rank = np.arange(len(tasks)) - np.searchsorted(numbers, numbers)
    chosen = np.zeros(len(tasks), dtype=bool)
    chosen[by_task] = rank < k[numbers]
    return chosen


@dataclass
class Quota:
    """How many examples each task gives.

    Attributes:
        kept: Shape (tasks,), int64.
        dropped: What is left out, by reason, same shape.
    """

    kept: np.ndarray
    dropped: dict[str, np.ndarray] = field(default_factory=dict)


class Chooser:
    """Decides how many examples each task of a mixture gives; ``tasks`` are in the order of their numbers."""

    def __init__(self, data: DataConfig, seed: int, tasks: Sequence[PlannedTask]) -> None:
        self.data, self.seed, self.tasks = data, seed, tasks

    def caps(self, split: str) -> np.ndarray:
        """The most examples of each task, shape (tasks,), int64; `NO_CAP` without a cap.

        The validation part gets its share of the cap, because its loss is a gauge, not a result.
        """
        cap = self.data.max_examples_per_task
        if cap is None:
            return np.full(len(self.tasks), NO_CAP)
        if split == "validation":
            cap = max(1, round(cap * self.data.validation))
        return np.array([round(cap * self._weight(one)) for one in self.tasks], dtype=np.int64)

    def quota(self, split: str, offered: np.ndarray, trained: np.ndarray) -> Quota:
        """How many examples each task gives: chosen tasks up to their caps, then the temperature's proportions.

        Args:
            split: ``train`` or ``validation``.
            offered: Examples that there are of each task, shape (tasks,).
            trained: Examples of each task in the training split: a task without any is not chosen.
        """
        ranks = [number for number in ranked(self.tasks, self.seed) if trained[number]]
        among = np.zeros(len(self.tasks), dtype=bool)
        among[ranks[: self.data.max_tasks]] = True
        sizes = np.minimum(offered, self.caps(split))
        if self.data.max_examples_per_task is None:
            weights = np.array([min(1.0, self._weight(one)) for one in self.tasks])
            sizes = np.round(offered * weights).astype(np.int64)
        capped = np.where(among, sizes, 0)
        kept = tempered(capped, self.data.temperature)
        others = np.where(among, 0, offered)
        return Quota(kept, {NOT_AMONG_TASKS: others, OVER_CAP: offered - others - capped, OVER_SHARE: capped - kept})

    def _weight(self, one: PlannedTask) -> float:
        weights = self.data.weights
        return next((weights[name] for name in (one.name, one.task.name, one.task.family) if name in weights), 1.0)


def ranked(tasks: Sequence[PlannedTask], seed: int) -> list[int]:
    """Numbers of all tasks in the order in which ``data.max_tasks`` takes them: more tasks hold the fewer ones.

    The order is balanced, so that a few tasks are a small copy of all. Tasks form strata: one for each language and way
    of coming to be (raw, simplification, reversal, recombination, pseudo). Within a stratum families take turns, in a
    seeded order. The i-th of a stratum's n tasks stands at (i + 1/2) / n, and all are sorted by that: every first part
    holds each stratum in proportion to its size, give or take one task.
    """
    strata: dict[tuple[str, str], list[tuple[int, float, int]]] = {}
    turns: Counter[tuple[str, str, str]] = Counter()
    for number in sorted(range(len(tasks)), key=lambda number: hashing.fraction(f"{seed}/task/{tasks[number].name}")):
        one = tasks[number]
        stratum = (one.dataset.language, sort_of(one.task))
        turn = turns[*stratum, one.task.family]
        turns[*stratum, one.task.family] += 1
        strata.setdefault(stratum, []).append((turn, hashing.fraction(f"{seed}/task/{one.name}"), number))
    placed = [
        ((index + 0.5) / len(stratum), place, number)
        for stratum in strata.values()
        for index, (_, place, number) in enumerate(sorted(stratum))
    ]
    return [number for _, _, number in sorted(placed)]


def tempered(sizes: np.ndarray, temperature: float) -> np.ndarray:
    """Examples of each task in proportion to ``size ** (1 / temperature)``, no task more than it has.

    The largest mixture of these proportions in which the task that shrinks least keeps all it has (as in T5, Raffel et
    al. 2020, but without repeating examples).

    Args:
        sizes: Shape (tasks,), integers; tasks of size 0 stay so.
        temperature: 1 changes nothing; the higher, the more equal.
    """
    there = sizes > 0
    if temperature == 1.0 or not there.any():
        return sizes.copy()
    wishes = np.where(there, sizes.astype(np.float64), 1.0) ** (1.0 / temperature)
    scale = (sizes[there] / wishes[there]).min()
    return np.where(there, np.maximum(1, np.round(wishes * scale)).astype(np.int64), 0)
