"""The answer of a report in words, with its uncertainty."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from ecomgpt.eval.metrics_file import Change
from ecomgpt.reporting.arms import Arm
from ecomgpt.reporting.study import Comparison, Study
from ecomgpt.reporting.text import DECIDING, group_name, metric_name, plural, points, tested

FORM = 0.05
"""Drop in the share of invalid answers from which a gain is said to be one of form, too."""
MOST_NAMED = 3
NOTHING = "No task has a score in every arm: there is nothing to compare."


def headline(study: Study) -> str:
    """The answer as one text; see `sentences`."""
    return " ".join(sentences(study))


def sentences(study: Study) -> list[str]:
    """The answer: against answers that need no model first, then what training or the mixture changed."""
    group, reference = study.answer, study.reference
    if group is None:
        return [NOTHING if len(study.arms) > 1 else "No evaluation task has a score."]
    rivals = [arm for arm in study.challengers if arm.label in group.changes]
    rivals.sort(key=lambda arm: -group.changes[arm.label].value)
    if reference is None or not rivals:
        return _alone(study, group)
    if len(study.arms) == 1:
        return [_standing(study, group, rivals[0]), _training(group, rivals[0], reference)]
    return list(filter(None, _between(study, group, rivals, reference)))


def _standing(study: Study, group: Comparison, arm: Arm) -> str:
    """How an arm does beside answers that need no model."""
    name = "The model" if study.run is not None else arm.label
    score, baseline = group.scores[arm.label], group.baseline
    spread = f" (95 % interval {points(score.low)} to {points(score.high)})" if score.has_interval else ""
    sentence = f"{name} scores {points(score.value)} points{_measure(group)}{spread}"
    if baseline is None:
        return f"{sentence}."
    words = {
        "above": "above answers that need no model",
        "level": "not clearly apart from answers that need no model",
        "below": "below answers that need no model",
    }[group.standing(arm.label)]
    found = study.standings(arm, group)
    tasks = plural(len(group.tasks), "task")
    clearly = f"; clearly above them on {found['above']} of {tasks}, clearly below on {found['below']}"
    return f"{sentence}, {words} ({points(baseline[1])}{clearly if len(group.tasks) > 1 else ''})."


def _training(group: Comparison, arm: Arm, reference: Arm) -> str:
    """What training changed, and how much of that is form."""
    change, before = group.changes[arm.label], points(group.scores[reference.label].value)
    if change.verdict == "tie":
        sentence = f"Training made no clear difference to the untrained model's {before}: "
    else:
        verb = "raised" if change.value > 0 else "lowered"
        sentence = f"Training {verb} the untrained model's {before}: "
    sentence += f"{_size(change)}, {_basis(group, arm, reference)}."
    shares = [group.invalid.get(one.label, math.nan) for one in (reference, arm)]
    if shares[0] - shares[1] > FORM:
        invalid = " and ".join(
            f"{points(share)} % {name}" for share, name in zip(shares, ("before", "after"), strict=True)
        )
        sentence += f" Part of that is form: invalid answers were {invalid}."
    return f"{sentence}{_likeliest(group, reference, arm, 'before', 'after')}"


def _likeliest(group: Comparison, one: Arm, other: Arm, first: str, second: str) -> str:
    """Ability apart from form: what the arms score where the likeliest candidate is taken."""
    shares = [group.ranked.get(arm.label) for arm in (one, other)]
    if None in shares:
        return ""
    return f" The likeliest candidate is right on {points(shares[0])} % {first} and {points(shares[1])} % {second}."


def _between(study: Study, group: Comparison, rivals: Sequence[Arm], reference: Arm) -> Iterator[str]:
    """Which arm is better, what that rests on, and what it does not say."""
    best, *others = rivals
    change, verdicts = group.changes[best.label], study.verdicts(best, group)
    basis = f"{_basis(group, best, reference)}; {_counted(verdicts)}"
    members = [task for task in study.tasks if task.name in group.tasks]
    if not any(task.beats_baseline(arm.label) for task in members for arm in study.arms):
        yield (
            f"Nothing is decided: no arm is above answers that need no model on any of {described(group)}. "
            f"{best.label} differs from {reference.label} by {_size(change)}{_measure(group, on=False)}, {basis}."
        )
        return
    yield f"{_verdict(group, best, reference, verdicts)}, {basis}."
    if hangs := group.without.get(best.label):
        titles = " or ".join(f"“{task.title}”" for task in study.tasks if task.name in hangs[:MOST_NAMED])
        more = f" (or {len(hangs) - MOST_NAMED} others)" if len(hangs) > MOST_NAMED else ""
        yield f"It hangs on single tasks: without {titles}{more} the difference is not clear."
    if group.baseline is not None:
        beside = {"above": "above", "level": "level with", "below": "below", "": "beside"}
        listed = [
            f"{arm.label} {points(group.scores[arm.label].value)} ({beside[group.standing(arm.label)]})"
            for arm in (best, reference)
        ]
        yield f"Beside answers that need no model ({points(group.baseline[1])}): {', '.join(listed)}."
    yield _likeliest(group, best, reference, f"({best.label})", f"({reference.label})").strip()
    if group.left_out:
        yield f"Left out: {plural(len(group.left_out), 'task')} on which no arm is above such answers."
    if others:
        listed = [
            f"{arm.label} {_size(group.changes[arm.label])} ({_word(group.changes[arm.label])})" for arm in others
        ]
        yield f"The others against {reference.label}: {', '.join(listed)}."


def _verdict(group: Comparison, arm: Arm, reference: Arm, verdicts: Counter[str]) -> str:
    """Who is better, by how much, on what."""
    change = group.changes[arm.label]
    size, measure = points(abs(change.value)), _measure(group)
    if change.verdict == "tie":
        return f"{arm.label} and {reference.label} can't be told apart: {_size(change)}{measure}"
    winner, loser = (arm, reference) if change.value > 0 else (reference, arm)
    if not verdicts[change.verdict]:
        return f"{winner.label} scores {size} points higher than {loser.label}{measure}, though no single task shows it"
    if group.standing(winner.label) in ("level", "below"):
        return (
            f"{winner.label} scores {size} points higher than {loser.label}{measure}, but not above a constant answer"
        )
    return f"{winner.label} beats {loser.label} by {size} points{measure}"


def _size(change: Change) -> str:
    return f"{points(change.value, signed=True)} points"


def _basis(group: Comparison, arm: Arm, reference: Arm) -> str:
    """The difference's interval, its test, and what it could have shown."""
    change = group.changes[arm.label]
    spread = f"95 % interval {points(change.low, True)} to {points(change.high, True)}" if change.has_interval else ""
    power = f"a true difference of {points(change.smallest)} would be found in 4 of 5 such comparisons"
    power = power if math.isfinite(change.smallest) else ""
    rows = f"paired over {plural(group.rows, 'row')}{_seeds(arm, reference)}"
    return ", ".join(filter(None, (spread, f"p {tested(change)}", rows, power)))


def _counted(verdicts: Counter[str]) -> str:
    return f"wins {verdicts['win']}, ties {verdicts['tie']}, loses {verdicts['loss']}"


def _measure(group: Comparison, on: bool = True) -> str:
    metric = f" {metric_name(group.metric)}" if group.metric else ""
    if not on:
        return metric
    return f"{metric} on {described(group)}" if len(group.tasks) == 1 else f"{metric} averaged over {described(group)}"


def described(group: Comparison) -> str:
    """``4 cross-task tasks``."""
    name = group.name.removesuffix(DECIDING)
    words = "" if name == "all" else f"{group_name(name).removesuffix(' task')} "
    counted = plural(len(group.tasks), f"{words}task")
    return f"{counted} of {len(group.tasks) + len(group.left_out)}" if group.left_out else counted


def _seeds(arm: Arm, reference: Arm) -> str:
    if len(arm.seeds) == len(reference.seeds) == 1:
        return " and one seed"
    if len(arm.seeds) == len(reference.seeds):
        return f" and {plural(len(arm.seeds), 'seed')}"
    return f" and {len(arm.seeds)} and {plural(len(reference.seeds), 'seed')}"


def _word(change: Change) -> str:
    return {"win": "better", "loss": "worse", "tie": "can't be told apart"}[change.verdict]


def _alone(study: Study, group: Comparison) -> list[str]:
    """Scores without a comparison."""
    ranked = [arm for arm in study.arms if arm.label in group.scores]
    if not ranked:
        return [NOTHING]
    best = max(ranked, key=lambda arm: group.scores[arm.label].value)
    first = "" if len(ranked) == 1 else f"Of {len(ranked)} arms, without a paired test, {best.label} scores highest. "
    return [f"{first}{_standing(study, group, best)}", "There is nothing to compare it with row by row."]


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
