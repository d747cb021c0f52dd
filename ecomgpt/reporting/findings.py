"""The answer of a report in words, with its uncertainty."""

from __future__ import annotations

from collections import Counter

from ecomgpt.reporting.arms import TRAINED, Arm
from ecomgpt.reporting.study import Change, Comparison, Study
from ecomgpt.reporting.tables import best_baseline
from ecomgpt.reporting.text import group_name, metric_name, plural, points, probability

NOTHING = "No task has a score in every arm: there is nothing to compare."


def headline(study: Study) -> str:
    """The answer in one sentence; with several arms, the others follow in a second one."""
    group, reference = study.answer, study.reference
    if group is None:
        return NOTHING if len(study.arms) > 1 else "No evaluation task has a score."
    rivals = [arm for arm in study.challengers if arm.label in group.changes]
    rivals.sort(key=lambda arm: -group.changes[arm.label].value)
    if reference is None or not rivals:
        return _alone(study, group) + _above_baselines(study)
    best, *others = rivals
    sentence = f"{_verdict(group, best, reference)}{_basis(study, group, best, reference)}."
    if others:
        listed = [
            f"{arm.label} {points(group.changes[arm.label].value, signed=True)} ({_word(group.changes[arm.label])})"
            for arm in others
        ]
        sentence += f" The others against {reference.label}: {', '.join(listed)}."
    return sentence + _above_baselines(study)


def _verdict(group: Comparison, arm: Arm, reference: Arm) -> str:
    """Who is better, by how much, on what."""
    change = group.changes[arm.label]
    if reference.untrained and arm.label == TRAINED:
        opening = {"win": "helped", "loss": "hurt", "tie": "made no clear difference"}[change.verdict]
        before, after = (points(group.scores[label].value) for label in (reference.label, arm.label))
        gain = points(change.value, signed=True)
        return f"Training {opening}: {gain} points{_measure(group)}, from {before} untrained to {after}"
    size = points(abs(change.value))
    if change.verdict == "win":
        return f"{arm.label} beats {reference.label} by {size} points{_measure(group)}"
    if change.verdict == "loss":
        return f"{arm.label} falls behind {reference.label} by {size} points{_measure(group)}"
    gain = points(change.value, signed=True)
    return f"{arm.label} and {reference.label} can't be told apart: {gain} points{_measure(group)}"


def _basis(study: Study, group: Comparison, arm: Arm, reference: Arm) -> str:
    """The difference's interval, what it rests on, and the verdicts on the tasks."""
    change, verdicts, rivals = group.changes[arm.label], study.verdicts(arm, group), len(study.challengers)
    corrected = f" (p {probability(change.p)}, corrected for {rivals} arms)" if rivals > 1 else ""
    return (
        f", 95 % interval {points(change.low)} to {points(change.high)}{corrected}, paired over "
        f"{plural(group.rows, 'row')}{_seeds(arm, reference)}; "
        f"wins {verdicts['win']}, ties {verdicts['tie']}, loses {verdicts['loss']}"
    )


def _measure(group: Comparison) -> str:
    metric = f" {metric_name(group.metric)}" if group.metric else ""
    return f"{metric} on {described(group)}" if len(group.tasks) == 1 else f"{metric} averaged over {described(group)}"


def described(group: Comparison) -> str:
    """``4 cross-task tasks``."""
    words = "" if group.name == "all" else f"{group_name(group.name).removesuffix(' task')} "
    return plural(len(group.tasks), f"{words}task")


def _seeds(arm: Arm, reference: Arm) -> str:
    if len(arm.seeds) == len(reference.seeds) == 1:
        return ", one seed"
    if set(arm.seeds) == set(reference.seeds):
        return f" and {plural(len(arm.seeds), 'seed')}"
    return f"; {len(arm.seeds)} and {plural(len(reference.seeds), 'seed')}, not the same ones"


def _word(change: Change) -> str:
    return {"win": "better", "loss": "worse", "tie": "can't be told apart"}[change.verdict]


def _alone(study: Study, group: Comparison) -> str:
    """Scores without a comparison."""
    ranked = [arm for arm in study.arms if arm.label in group.scores]
    if not ranked:
        return NOTHING
    best = max(ranked, key=lambda arm: group.scores[arm.label].value)
    score = group.scores[best.label]
    spread = f" (95 % interval {points(score.low)} to {points(score.high)})" if score.has_interval else ""
    what = "scores" if len(ranked) == 1 else f"scores highest of {len(ranked)} arms, without a paired test:"
    name = "The model" if study.run is not None else best.label
    measured = f"{points(score.value)} points{_measure(group)}{spread}"
    return f"{name} {what} {measured}; there is nothing to compare it with row by row."


def _above_baselines(study: Study) -> str:
    """A model that can't even write a label scores 0 before training, so the gain alone would flatter."""
    run = study.run
    tasks = [task for task in run.tasks.values() if task.score().known] if run else []
    rivals = [(task.score(), best[1]) for task in tasks if run and (best := best_baseline(run, task))]
    if not rivals:
        return ""
    above = sum((score.low if score.has_interval else score.value) > best.value for score, best in rivals)
    return f" It is clearly above the best of the simple baselines on {above} of {len(rivals)}."


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
