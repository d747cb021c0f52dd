"""What a comparison of two arms found: differences a task, their mean with an interval, and the answer in one sentence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ecomgpt.report.load import Change, Run, Score, TaskScores
from ecomgpt.report.text import points

LOWER_IS_BETTER = frozenset({"invalid_rate"})
SIGNIFICANT = 0.05
GENERAL = "general"
"""The family of tasks outside e-commerce, which no mean over the others includes."""


@dataclass(frozen=True)
class Difference:
    """How much better the first arm is (positive is better), with a 95 % interval, and the verdict on it.

    The verdict is `win`, `tie`, `loss`, or `open` where there is no interval to judge by. ``p`` is the p-value behind it, if any.
    """

    score: Score
    verdict: str
    p: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Two arms over the tasks that both have: a difference a task, and the means over those tasks."""

    tasks: dict[str, Difference]
    arm: float
    reference: float
    mean: Score

    @property
    def verdicts(self) -> Counter[str]:
        return Counter(difference.verdict for difference in self.tasks.values())


def difference(arm: Score, reference: Score, metric: str = "", paired: Change | None = None) -> Difference | None:
    """The difference of two scores of one task, or None where one of them is not known.

    Without ``paired`` the interval comes from the two arms' own intervals by the square-and-add rule (Newcombe 1998, method 10;
    Zou and Donner 2008), which takes them as independent and is therefore cautious for two models that answered the same
    rows; a win or loss then means that the two intervals do not overlap. ``paired`` is the difference (arm minus reference)
    with the interval of a paired test; a win or loss then means that its p-value is below `SIGNIFICANT`.
    """
    if not (arm.known and reference.known):
        return None
    if paired is not None:
        value, low, high = paired.score.value, paired.score.low, paired.score.high
        wins, losses = value > 0 and paired.p < SIGNIFICANT, value < 0 and paired.p < SIGNIFICANT
    else:
        value = arm.value - reference.value
        low = value - math.hypot(arm.value - arm.low, reference.high - reference.value)
        high = value + math.hypot(arm.high - arm.value, reference.value - reference.low)
        wins, losses = arm.low > reference.high, arm.high < reference.low
    if metric in LOWER_IS_BETTER:
        value, low, high, wins, losses = -value, -high, -low, losses, wins
    score = Score(value, low, high)
    if not score.has_interval:
        return Difference(score, "open")
    return Difference(score, "win" if wins else "loss" if losses else "tie", paired.p if paired else None)


def compare(
    arm: Mapping[str, TaskScores], reference: Mapping[str, TaskScores], paired: Mapping[str, Change] | None = None
) -> Comparison:
    """Compare two arms by each task's metric of record, over the tasks whose scores both arms know.

    Args:
        arm: The scores in question, by task.
        reference: The scores to hold against them.
        paired: Differences from a paired test over rows, by task; tasks that are not in it fall back to both intervals.
    """
    found: dict[str, Difference] = {}
    for name, task in arm.items():
        if name not in reference:
            continue
        pair = (paired or {}).get(name)
        result = difference(task.score(), reference[name].score(task.primary), task.primary, pair)
        if result is not None:
            found[name] = result
    return Comparison(
        tasks=found,
        arm=mean([arm[name].score() for name in found]).value,
        reference=mean([reference[name].score(arm[name].primary) for name in found]).value,
        mean=mean([result.score for result in found.values()]),
    )


def mean(scores: list[Score]) -> Score:
    """The mean over tasks; its interval adds the tasks' half widths in squares, so it speaks of these tasks, not of others."""
    if not scores:
        return Score(math.nan)
    value = math.fsum(score.value for score in scores) / len(scores)
    below = math.hypot(*(score.value - score.low for score in scores)) / len(scores)
    above = math.hypot(*(score.high - score.value for score in scores)) / len(scores)
    return Score(value, value - below, value + above)


def best_baseline(run: Run, task: TaskScores) -> tuple[str, Score] | None:
    """The strongest baseline of a task by its metric of record: (name, score), or None."""
    sign = -1 if task.primary in LOWER_IS_BETTER else 1
    known = [
        (name, tasks[task.name][task.primary])
        for name, tasks in run.baselines.items()
        if task.primary in tasks.get(task.name, {}) and tasks[task.name][task.primary].known
    ]
    return max(known, key=lambda item: sign * item[1].value) if known else None


def headline(run: Run) -> str:
    """The answer of the run in one sentence, with its uncertainty."""
    scored = [task for task in run.tasks.values() if task.score().known]
    if not scored:
        return "No evaluation task has a score in this run."
    # A mean over both would hide forgetting.
    scored = [task for task in scored if task.family != GENERAL] or scored
    comparison = compare({task.name: task for task in scored}, run.untrained, run.changes)
    if not comparison.tasks:
        return _versus_baselines(run, scored)
    return _versus_untrained(comparison) + _above_baselines(run, scored)


def _versus_untrained(found: Comparison) -> str:
    gain, verdicts = found.mean, found.verdicts
    if not gain.has_interval:
        opening = (
            f"Mean difference to the untrained model: {points(gain.value, signed=True)} points, without an interval"
        )
    elif gain.low > 0:
        opening = f"Training helped: {points(gain.value, signed=True)} points"
    elif gain.high < 0:
        opening = f"Training hurt: {points(gain.value, signed=True)} points"
    else:
        opening = f"Training made no clear difference: {points(gain.value, signed=True)} points"
    spread = f" (95 % interval {points(gain.low)} to {points(gain.high)})" if gain.has_interval else ""
    judged = f"better on {verdicts['win']}, no clear difference on {verdicts['tie']}, worse on {verdicts['loss']}"
    if verdicts["open"]:
        judged += f", not judged on {verdicts['open']}"
    return (
        f"{opening}{spread} on average over {plural(len(found.tasks), 'evaluation task')}, "
        f"from {points(found.reference)} untrained to {points(found.arm)}; {judged}."
    )


def _above_baselines(run: Run, scored: list[TaskScores]) -> str:
    """A model that can't even write a label scores 0 before training, so the gain alone would flatter."""
    pairs = [(task.score(), best_baseline(run, task)) for task in scored]
    judged = [(score, best[1]) for score, best in pairs if best is not None]
    if not judged:
        return ""
    above = sum((score.low if score.has_interval else score.value) > best.value for score, best in judged)
    return f" It is clearly above the best of the simple baselines on {above} of {len(judged)}."


def _versus_baselines(run: Run, scored: list[TaskScores]) -> str:
    stored = run.averages.get("all")
    same = stored is not None and set(stored.tasks) == {task.name for task in scored}
    average = stored.score if stored and same else mean([task.score() for task in scored])
    spread = f" (95 % interval {points(average.low)} to {points(average.high)})" if average.has_interval else ""
    sentence = f"The model scores {points(average.value)} points{spread} on average over {plural(len(scored), 'evaluation task')}"
    rivals = [(task, found[1]) for task in scored if (found := best_baseline(run, task))]
    if not rivals:
        return f"{sentence}; there is nothing in this run to compare it with."
    results = [difference(task.score(), rival, task.primary) for task, rival in rivals]
    above = sum(result is not None and result.score.value > 0 for result in results)
    return f"{sentence}; above the best simple baseline on {above} of {len(rivals)}."


def plural(n: int, noun: str) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
