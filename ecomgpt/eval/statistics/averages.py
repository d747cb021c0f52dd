"""Macro averages over tasks: all, by language, by family, and by what training has seen."""

from collections.abc import Mapping, Sequence
from typing import Any

from ecomgpt.eval.score import TaskScore
from ecomgpt.eval.statistics import uncertainty
from ecomgpt.eval.task import GENERAL, EvalTask
from ecomgpt.eval.trained import Trained


def averages(
    tasks: Sequence[EvalTask], scores: Mapping[str, TaskScore], trained: Trained | None = None
) -> dict[str, dict[str, Any]]:
    """Averages by group.

    Every task counts the same, however many rows it has. A metric is averaged in a group if all its tasks have it;
    ``primary`` averages each task's own primary metric. Intervals know that tasks of one dataset share texts (see
    `ecomgpt.eval.statistics.uncertainty`).

    Args:
        tasks: The declarations; tasks without a score are left out.
        scores: By task name.
        trained: What the model was trained on; None where it is unknown, as for an untrained backbone.

    Returns:
        ``{group: {"tasks": [name], "metrics": {metric: {"value", "low", "high"}}}}``. Groups: ``all``,
        ``language/<en|zh|mul>``, ``family/<family>``, and, with ``trained``, the keys of
        `ecomgpt.eval.trained.RELATIONS` that occur. Tasks outside e-commerce stand in a group of their own,
        ``general``, and in no other: a mean over both would hide forgetting.
    """
    groups: dict[str, list[str]] = {}
    # Those that are left out of the others' means come last.
    for task in sorted(tasks, key=lambda task: task.family == GENERAL):
        if task.name in scores:
            for group in _groups(task, trained):
                groups.setdefault(group, []).append(task.name)
    return {
        group: {"tasks": names, "metrics": _means([scores[name] for name in names])} for group, names in groups.items()
    }


def _groups(task: EvalTask, trained: Trained | None) -> list[str]:
    if task.family == GENERAL:
        return [GENERAL]
    seen = [] if trained is None else [trained.relation(task)]
    return ["all", *seen, f"language/{task.language}", f"family/{task.family}"]


def _means(scores: list[TaskScore]) -> dict[str, dict[str, Any]]:
    shared = [name for name in scores[0].counts if all(name in score.counts for score in scores)]
    picks = {"primary": [score.primary for score in scores]} | {name: [name] * len(scores) for name in shared}
    return {
        name: uncertainty.score([[score.counts[one] for score, one in zip(scores, picked, strict=True)]]).as_json()
        for name, picked in picks.items()
    }
