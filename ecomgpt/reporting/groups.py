"""Means over groups of tasks, by arm, and how the arms differ on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from ecomgpt.eval.metrics.names import LOWER_IS_BETTER
from ecomgpt.eval.metrics_file import Change, Score
from ecomgpt.eval.statistics import uncertainty
from ecomgpt.eval.statistics.counts import Counts
from ecomgpt.eval.statistics.paired import holm
from ecomgpt.eval.task import GENERAL
from ecomgpt.reporting.arms import Arm
from ecomgpt.reporting.study import Comparison
from ecomgpt.reporting.text import DECIDING

UNSEEN = ("cross_task", "cross_dataset", "held_out_task")
"""What training has seen least, the farthest first: what the answer is about (see `ecomgpt.eval.trained.RELATIONS`)."""
MOST_LEFT_OUT = 60
"""Tasks of the answer's group up to which each is left out in turn."""
ByArm = Mapping[str, Sequence[Counts]]
"""By arm and seed."""


def groups_of(
    tasks: Sequence[Comparison], arms: Sequence[Arm], uncompared: Collection[str], families: bool
) -> dict[str, list[Comparison]]:
    """Groups of tasks that all arms have, the one that the answer is about first; tasks outside e-commerce stand alone.

    Tasks that can't be compared row by row stay out, so that they do not cost the others their test.
    """
    shared = [task for task in tasks if all(arm.label in task.scores for arm in arms)]
    shared = [task for task in shared if all(task.scores[arm.label].known for arm in arms)]
    shared = [task for task in shared if task.name not in uncompared] or shared
    own = [task for task in shared if task.task and task.task.family != GENERAL]
    found = {relation: [task for task in own if task.relation == relation] for relation in UNSEEN} | {"all": own}
    for task in own:
        if task.relation and task.relation not in UNSEEN:
            found.setdefault(task.relation, []).append(task)
    for language in ("en", "zh"):
        found[f"language/{language}"] = [task for task in own if task.task and task.task.language == language]
    if families:
        for name in dict.fromkeys(task.task.family for task in own if task.task):
            family = [task for task in own if task.task and task.task.family == name]
            found[f"family/{name}"] = family if len(family) > 1 else []
    found[GENERAL] = [task for task in shared if task not in own]
    whole = {task.name for task in own}
    return {
        name: members
        for name, members in found.items()
        if members and (name == "all" or {one.name for one in members} != whole or name in UNSEEN)
    }


def group_of(
    name: str, tasks: Sequence[Comparison], arms: Sequence[Arm], reference: Arm | None, counted: Mapping[str, ByArm]
) -> Comparison:
    metrics = {task.metric for task in tasks}
    names = tuple(task.name for task in tasks)
    known = [task.baseline for task in tasks if task.baseline is not None]
    baseline = ("best of each task", fmean(value for _, value in known)) if len(known) == len(tasks) else None
    metric = metrics.pop() if len(metrics) == 1 else ""
    group = Comparison(name, names, sum(task.rows for task in tasks), metric, baseline=baseline)
    whole = [arm for arm in arms if all(arm.label in counted[task] for task in names)]
    for arm in arms:
        if arm in whole:
            group.scores[arm.label] = uncertainty.score(by_seed(names, arm.label, counted))
        elif all(arm.label in task.scores for task in tasks):
            group.scores[arm.label] = Score(fmean(task.scores[arm.label].value for task in tasks))
        closed = [task for task in tasks if task.ranked]
        if closed and all(arm.label in task.ranked for task in closed):
            group.ranked[arm.label] = fmean(task.ranked[arm.label] for task in closed)
        if all(arm.label in task.invalid for task in tasks):
            group.invalid[arm.label] = fmean(task.invalid[arm.label] for task in tasks)
    if reference is not None and reference in whole:
        others = [arm for arm in whole if arm is not reference]
        found = {arm.label: change_of(names, metric, arm.label, reference.label, counted) for arm in others}
        # The untrained models are shown for scale; they are no candidates among which the best is picked.
        rivals = {arm.label for arm in others if not arm.untrained} or set(found)
        group.changes.update(found | holm({label: one for label, one in found.items() if label in rivals}))
    return group


def deciding(
    whole: Comparison,
    tasks: Sequence[Comparison],
    arms: Sequence[Arm],
    everyone: Sequence[Arm],
    reference: Arm | None,
    counted: Mapping[str, ByArm],
) -> list[Comparison]:
    """The group without the tasks on which every arm is at or below a baseline, where there are any and others too.

    Two arms that a constant answer beats differ in the form of their answers, or by chance: not in ability.
    """
    members = [task for task in tasks if task.name in whole.tasks]
    deciding = [task for task in members if any(task.beats_baseline(arm.label) for arm in arms)]
    if not deciding or len(deciding) == len(members):
        return []
    left_out = tuple(task.name for task in members if task not in deciding)
    name = f"{whole.name}{DECIDING}"
    return [replace(group_of(name, deciding, everyone, reference, counted), left_out=left_out)]


def leave_one_out(group: Comparison, reference: Arm, counted: Mapping[str, ByArm]) -> None:
    """Finds the single tasks on which a clear difference hangs."""
    arms = {label for label, change in group.changes.items() if change.verdict != "tie"}
    for label in arms if 1 < len(group.tasks) <= MOST_LEFT_OUT else ():
        verdict, hangs = group.changes[label].verdict, []
        for left in group.tasks:
            others = [task for task in group.tasks if task != left]
            change = change_of(others, group.metric, label, reference.label, counted, randomise=False)
            if change.verdict != verdict:
                hangs.append(left)
        group.without[label] = tuple(hangs)


def by_seed(tasks: Sequence[str], arm: str, counted: Mapping[str, ByArm]) -> list[list[Counts]]:
    return [list(seed) for seed in zip(*(counted[task][arm] for task in tasks), strict=True)]


def change_of(
    tasks: Sequence[str], metric: str, arm: str, reference: str, counted: Mapping[str, ByArm], randomise: bool = True
) -> Change:
    """How much better an arm is than the reference on the mean over some tasks."""
    second, first = (by_seed(tasks, one, counted) for one in (arm, reference))
    found = uncertainty.difference(second, first, randomise)
    return found.reversed() if metric in LOWER_IS_BETTER else found
