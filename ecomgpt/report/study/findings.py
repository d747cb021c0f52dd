"""The answer of a study in words, with its uncertainty, and what a reader must know before believing it."""

from __future__ import annotations

import math
from collections import Counter

from ecomgpt.report.findings import plural
from ecomgpt.report.study.arms import Arm
from ecomgpt.report.study.compare import Change, Outcome, Study
from ecomgpt.report.tables import relation_name
from ecomgpt.report.text import metric_name, points, probability

FEW_SEEDS = 5


def headline(study: Study) -> str:
    """The answer in one sentence; with several arms, the others follow in a second one."""
    group, reference = study.answer, study.reference
    if group is None:
        return (
            "No task has a score in every arm: there is nothing to compare."
            if len(study.arms) > 1
            else "No evaluation task has a score."
        )
    rivals = sorted(
        (arm for arm in study.challengers if arm.label in group.changes),
        key=lambda arm: -group.changes[arm.label].value,
    )
    if reference is None or not rivals:
        return _alone(study, group)
    best, *others = rivals
    sentence = f"{_verdict(best.label, reference.label, group.changes[best.label])}{_basis(study, group, best)}."
    if others:
        listed = [
            f"{arm.label} {points(group.changes[arm.label].value, signed=True)} ({_word(group.changes[arm.label])})"
            for arm in others
        ]
        sentence += f" The others against {reference.label}: {', '.join(listed)}."
    return sentence


def _verdict(arm: str, reference: str, change: Change) -> str:
    size = points(abs(change.value))
    if change.verdict == "win":
        return f"{arm} beats {reference} by {size} points"
    if change.verdict == "loss":
        return f"{arm} falls behind {reference} by {size} points"
    return f"{arm} and {reference} can't be told apart: {points(change.value, signed=True)} points"


def _basis(study: Study, group: Outcome, arm: Arm) -> str:
    """What the difference is a mean of, its interval, and the verdicts on the tasks."""
    assert study.reference is not None
    change = group.changes[arm.label]
    verdicts = Counter(
        task.changes[arm.label].verdict
        for task in study.tasks
        if task.name in group.tasks and arm.label in task.changes
    )
    corrected = (
        f" (p {probability(change.p)}, corrected for {len(study.challengers)} arms)"
        if len(study.challengers) > 1
        else ""
    )
    return (
        f"{_measure(group)}, 95 % interval {points(change.low)} to {points(change.high)}{corrected}, paired over "
        f"{plural(group.rows, 'row')}{_seeds(arm, study.reference)}; wins {verdicts['win']}, ties {verdicts['tie']}, loses {verdicts['loss']}"
    )


def _measure(group: Outcome) -> str:
    metric = f" {metric_name(group.metric)}" if group.metric else ""
    return f"{metric} on {described(group)}" if len(group.tasks) == 1 else f"{metric} averaged over {described(group)}"


def described(group: Outcome) -> str:
    """``4 cross-task tasks``."""
    words = "" if group.name == "all" else f"{group_name(group.name).removesuffix(' task')} "
    return plural(len(group.tasks), f"{words}task")


def group_name(name: str) -> str:
    """``language/zh`` as ``Chinese``."""
    return {"language/en": "English", "language/zh": "Chinese", "all": "all tasks"}.get(name, relation_name(name))


def _seeds(arm: Arm, reference: Arm) -> str:
    if len(arm.seeds) == len(reference.seeds) == 1:
        return ", one seed"
    if set(arm.seeds) == set(reference.seeds):
        return f" and {plural(len(arm.seeds), 'seed')}"
    return f"; {len(arm.seeds)} and {plural(len(reference.seeds), 'seed')}, not the same ones"


def _word(change: Change) -> str:
    return {"win": "better", "loss": "worse", "tie": "can't be told apart"}[change.verdict]


def _alone(study: Study, group: Outcome) -> str:
    """Scores without a comparison."""
    ranked = sorted(
        (arm for arm in study.arms if arm.label in group.scores), key=lambda arm: -group.scores[arm.label].value
    )
    if not ranked:
        return "No task has a score in every arm: there is nothing to compare."
    best = ranked[0]
    score = group.scores[best.label]
    spread = f" (95 % interval {points(score.low)} to {points(score.high)})" if math.isfinite(score.low) else ""
    what = "scores" if len(ranked) == 1 else f"scores highest of {len(ranked)} arms, without a paired test:"
    return f"{best.label} {what} {points(score.value)} points{_measure(group)}{spread}; there is nothing to compare it with row by row."


def absent(study: Study) -> str:
    """Jobs that failed or are missing, in one sentence; empty where all have a result."""
    without = study.gathered.absent
    if not without:
        return ""
    total = len(study.gathered.members) + len(without)
    states = Counter(one.state for one in without)
    listed = ", ".join(f"{n} {state}" for state, n in states.items())
    if not study.gathered.members:
        return f"None of {plural(total, 'job')} has a result ({listed})."
    return f"{len(without)} of {plural(total, 'job')} without a result ({listed}): this report is about the others."


def notes(study: Study) -> list[str]:
    """Limits of the study's findings."""
    seeds = {len(arm.seeds) for arm in study.arms}
    found = []
    if seeds == {1} and len(study.arms) > 1:
        found.append(
            "One seed an arm: the intervals hold the choice of evaluation rows, not what another training seed would have given. "
            "Differences between seeds are often as large as those between mixtures; add seed=1,2,3 to the sweep."
        )
    elif max(seeds, default=1) > 1:
        found.append(
            "Seeds are pooled: hierarchical paired bootstrap over rows and seeds, Student's t with Satterthwaite's degrees of freedom"
            + (f"; with fewer than {FEW_SEEDS} seeds such intervals are wide." if max(seeds) < FEW_SEEDS else ".")
        )
    if study.reference is not None and any(task.changes for task in study.tasks):
        found.append(
            f"Differences are against {study.reference.label}, from {study.samples:,} paired resamples of the rows; ▲ and ▼ mark p below 0.05, "
            "Holm-corrected over the tasks of an arm, for means over groups of tasks over the arms. Intervals are not corrected."
        )
    out = "" if len(study.uncompared) == len(study.tasks) else " Means leave it out."
    found += [f"Not compared: “{_title(study, task)}”: {reason}.{out}" for task, reason in study.uncompared.items()]
    if any(task.relation == "mixed" for task in study.tasks):
        found.append(
            "Some tasks are nearer to the training data of one arm than of another; the groups of unseen tasks leave them out."
        )
    mixed = {group.name for group in study.groups if not group.metric and len(group.tasks) > 1}
    if mixed:
        found.append("A mean over tasks with different metrics averages each task's metric of record.")
    if any(task.task and task.task.published for task in study.tasks):
        found.append(
            "The paper's points are those of EcomGPT-7B1, read off a figure (±2 points); its script scored other rows and prompts."
        )
    return found


def _title(study: Study, name: str) -> str:
    return next(task.title for task in study.tasks if task.name == name)
