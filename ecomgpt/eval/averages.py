"""Macro averages over tasks: all, by language, by family, and by what training has seen."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ecomgpt.eval.score import TaskScore, with_interval
from ecomgpt.eval.task import EvalTask


def averages(
    tasks: Sequence[EvalTask],
    scores: Mapping[str, TaskScore],
    trained_families: Collection[str] | None = None,
    trained_datasets: Collection[str] = (),
) -> dict[str, dict[str, Any]]:
    """Averages by group.

    Every task counts the same, however many rows it has. A metric is averaged in a group if all its tasks have it;
    ``primary`` averages each task's own primary metric. Intervals come from the tasks' bootstrap values, which are
    independent of each other: the resampling is stratified by task.

    Args:
        tasks: The declarations; tasks without a score are left out.
        scores: By task name.
        trained_families: The families of the run's mixture; None where it is unknown, as for an untrained backbone.
        trained_datasets: The datasets of the run's mixture.

    Returns:
        ``{group: {"tasks": [name], "metrics": {metric: {"value", "low", "high"}}}}``. Groups: ``all``, ``language/<en|zh|mul>``,
        ``family/<family>``, and, with ``trained_families``, ``cross_dataset`` (family trained on, dataset not), ``cross_task``
        (family never trained on) and ``in_domain`` (both trained on).
    """
    groups: dict[str, list[str]] = {}
    for task in tasks:
        if task.name in scores:
            for group in _groups(task, trained_families, trained_datasets):
                groups.setdefault(group, []).append(task.name)
    return {
        group: {"tasks": names, "metrics": _means([scores[name] for name in names])} for group, names in groups.items()
    }


def split_of(task: EvalTask, trained_families: Collection[str], trained_datasets: Collection[str] = ()) -> str:
    """How far a task lies from the training data: ``cross_task``, ``cross_dataset``, ``held_out_task`` or ``in_domain``."""
    if task.family not in trained_families:
        return "cross_task"
    if task.dataset not in trained_datasets:
        return "cross_dataset"
    return "held_out_task" if task.format == "mixture" and task.held_out else "in_domain"


def _groups(task: EvalTask, families: Collection[str] | None, datasets: Collection[str]) -> list[str]:
    seen = [] if families is None else [split_of(task, families, datasets)]
    return ["all", *seen, f"language/{task.language}", f"family/{task.family}"]


def _means(scores: list[TaskScore]) -> dict[str, dict[str, float]]:
    shared = [name for name in scores[0].values if all(name in score.values for score in scores)]
    picks = {"primary": [score.primary for score in scores]} | {name: [name] * len(scores) for name in shared}
    return {
        name: with_interval(
            float(np.mean([score.values[one] for score, one in zip(scores, picked, strict=True)])),
            np.mean([score.samples[one] for score, one in zip(scores, picked, strict=True)], axis=0),
        )
        for name, picked in picks.items()
    }
