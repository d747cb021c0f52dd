"""What a model was trained on, as its run's manifest tells, and how far an evaluation task lies from that."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ecomgpt.eval.task import GENERAL, EvalTask
from ecomgpt.sources.dataset import Dataset

RELATIONS: dict[str, str] = {
    "in_domain": "the task itself or its dataset's training side was trained on; its rows were not",
    "unseen_instructions": "the same, asked in wordings that training never saw",
    "held_out_task": "task family and dataset were trained on, this task of the dataset was not",
    "cross_dataset": "the task family was trained on, on other datasets",
    "cross_task": "the task family was never trained on",
    "general": "outside e-commerce",
}


@dataclass(frozen=True)
class Trained:
    """What training has seen.

    Attributes:
        tasks: ``<dataset>.<task>`` names.
        families: Their families.
        datasets: Their datasets.
        evaluated: Evaluation tasks whose dataset's training side was among them (a dataset's ``protects``).
    """

    tasks: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()
    datasets: frozenset[str] = frozenset()
    evaluated: frozenset[str] = frozenset()

    @classmethod
    def of(cls, manifest: Mapping[str, Any], catalog: Iterable[Dataset]) -> "Trained":
        """From a run's manifest. Tasks without a single training example do not count."""
        tasks = [task for task in manifest["tasks"] if task["examples"]]
        datasets = frozenset(task["source"] for task in tasks)
        return cls(
            tasks=frozenset(task["name"] for task in tasks),
            families=frozenset(task["family"] for task in tasks),
            datasets=datasets,
            evaluated=frozenset(name for dataset in catalog if dataset.name in datasets for name in dataset.protects),
        )

    def relation(self, task: EvalTask) -> str:
        """How far a task lies from the training data, a key of `RELATIONS`."""
        if task.family == GENERAL:
            return "general"
        if task.format == "mixture" and task.task in self.tasks:
            return "unseen_instructions" if task.unseen else "in_domain"
        known = task.dataset in self.datasets or task.name in self.evaluated
        # The dataset before the family: its own training side was read, whatever was asked about it.
        if known and task.format != "mixture":
            return "in_domain"
        if task.family not in self.families:
            return "cross_task"
        return "held_out_task" if known else "cross_dataset"
