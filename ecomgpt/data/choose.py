"""Which tasks and which of their examples make the mixture; every choice hangs on the seed and on names."""

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence

from ecomgpt.config.schema import DataConfig
from ecomgpt.data.split import position
from ecomgpt.sources.dataset import Dataset
from ecomgpt.tasks.declaration import Task, applies
from ecomgpt.tasks.instruction import Instruction


def wanted_tasks(tasks: Sequence[Task], dataset: Dataset, data: DataConfig, held_out: Sequence[str]) -> list[Task]:
    """The tasks that a mixture takes from a dataset.

    Args:
        tasks: All declared tasks.
        dataset: The dataset.
        data: Kinds, labels, families and names that are wanted.
        held_out: ``<dataset>.<task>`` names that the evaluation keeps for itself.
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


class Selection:
    """Keeps the examples of each task that come first in a seeded order, up to the cap.

    Because the order is that of hashed ids, a smaller cap's examples are among a larger one's.

    Args:
        data: The cap, weights and the number of tasks.
        seed: Of the run.
        families: Family of each ``<dataset>.<task>``, for weights.
    """

    def __init__(self, data: DataConfig, seed: int, families: dict[str, str]) -> None:
        self.data, self.seed, self.families = data, seed, families
        self.offered: Counter[str] = Counter()
        self._heaps: dict[str, list[tuple[float, int, Instruction]]] = {}

    def add(self, instruction: Instruction) -> None:
        """Offers one example."""
        task = instruction.task
        self.offered[task] += 1
        heap = self._heaps.setdefault(task, [])
        # The count breaks ties, so that instructions themselves are never compared.
        entry = (-position(f"{self.seed}/{instruction.id}"), self.offered[task], instruction)
        cap = self.cap(task)
        if cap is None or len(heap) < cap:
            heapq.heappush(heap, entry)
        elif cap:
            heapq.heappushpop(heap, entry)

    def cap(self, task: str) -> int | None:
        """The most examples of a task."""
        if self.data.max_examples_per_task is None:
            return None
        weights = self.data.weights
        short = task.rsplit(".", 1)[-1]
        weight = weights.get(task, weights.get(short, weights.get(self.families.get(task, ""), 1.0)))
        return round(self.data.max_examples_per_task * weight)

    def tasks(self) -> list[str]:
        """The chosen tasks that have examples; nested, so that more tasks hold the fewer ones."""
        ranked = sorted(self._heaps, key=lambda name: position(f"{self.seed}/task/{name}"))
        return sorted(ranked[: self.data.max_tasks])

    def chosen(self) -> Iterator[Instruction]:
        """The mixture in its seeded order: any first part of it is a fair sample of the whole."""
        sizes = {task: len(self._heaps[task]) for task in self.tasks()}
        shares = tempered(sizes, self.data.temperature)
        kept = [
            entry for task in sizes for entry in heapq.nlargest(shares[task], self._heaps[task], key=lambda entry: entry[0])
        ]
        kept.sort(key=lambda entry: (-entry[0], entry[2].id))
        limit = self.data.budget.examples
        for _, _, instruction in kept[:limit]:
            yield instruction


def tempered(sizes: dict[str, int], temperature: float) -> dict[str, int]:
    """Examples of each task in proportion to ``size ** (1 / temperature)``, no task more than it has.

    The largest mixture of these proportions in which the task that shrinks least keeps all it has (as in T5, Raffel et
    al. 2020, but without repeating examples).
    """
    if temperature == 1.0 or not sizes:
        return dict(sizes)
    wishes = {task: size ** (1.0 / temperature) for task, size in sizes.items()}
    scale = min(sizes[task] / wish for task, wish in wishes.items() if wish)
    return {task: max(1, round(wish * scale)) for task, wish in wishes.items()}
