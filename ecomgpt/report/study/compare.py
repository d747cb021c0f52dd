"""Numbers of a study: every arm's score on every task and on groups of tasks, and how it differs from the reference."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from ecomgpt.common.errors import UserError
from ecomgpt.common.progress import track
from ecomgpt.eval.analysis import row_scores
from ecomgpt.eval.metrics.names import METRIC_NAMES
from ecomgpt.eval.predictions import read_answers
from ecomgpt.eval.statistics.paired import corrected
from ecomgpt.eval.statistics.pooled import SAMPLES, Estimate, Seeded, aligned, difference, estimate, mean, seeded
from ecomgpt.report.findings import GENERAL, LOWER_IS_BETTER, SIGNIFICANT
from ecomgpt.report.load import TaskScores
from ecomgpt.report.study.arms import Arm, arms_of, choose_reference, untrained_arms
from ecomgpt.report.study.gather import Gathered, Member

MANY, FEW_SAMPLES = 1000, 2_000
"""From so many pairs of run and task on, so many resamples do."""
UNSEEN = ("cross_task", "cross_dataset", "held_out_task")
"""What training has seen least, the farthest from it first; the answer is sought there (`ecomgpt.eval.trained.RELATIONS`)."""
NAN = float("nan")


@dataclass(frozen=True)
class Change:
    """How much better an arm is than the reference; positive is better, whatever the metric.

    Attributes:
        value, low, high: The difference with its 95 % interval.
        p: Holm-corrected p-value: over the tasks for tasks, over the arms for groups of tasks.
    """

    value: float
    low: float
    high: float
    p: float

    @property
    def verdict(self) -> str:
        """``win``, ``loss``, or ``tie`` where the two can't be told apart."""
        return "tie" if not self.p < SIGNIFICANT or self.value == 0 else "win" if self.value > 0 else "loss"


@dataclass(frozen=True)
class Outcome:
    """A task, or the mean over a group of tasks.

    Attributes:
        name: The task's or the group's.
        tasks: The tasks that it holds; one for a task.
        rows: How many questions.
        metric: The metric of record; empty for a mean over different ones.
        scores: By arm, the value with its interval.
        changes: By arm, against the reference.
        verdicts: By arm, shares of rows that it answered better than, as well as and worse than the reference.
        task: What the runs say of the task.
        relation: How far the task lies from what every arm was trained on; ``mixed`` where the arms differ in that.
    """

    name: str
    tasks: tuple[str, ...]
    rows: int
    metric: str
    scores: dict[str, Estimate] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)
    verdicts: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    task: TaskScores | None = None
    relation: str = ""

    @property
    def title(self) -> str:
        return self.task.title if self.task else self.name


@dataclass(frozen=True)
class Study:
    """All that the report of several runs shows."""

    gathered: Gathered
    arms: list[Arm]
    backbones: list[Arm]
    reference: Arm | None
    tasks: list[Outcome]
    groups: list[Outcome]
    headline: str
    samples: int
    uncompared: dict[str, str]

    @property
    def challengers(self) -> list[Arm]:
        """The arms that are held against the reference."""
        return [arm for arm in self.arms if arm is not self.reference]

    @property
    def answer(self) -> Outcome | None:
        """The group of tasks that the answer in one sentence is about."""
        return next((group for group in self.groups if group.name == self.headline), None)


def study(gathered: Gathered, reference: str | None = None) -> Study:
    """Compares what was gathered.

    Args:
        gathered: The runs.
        reference: Names the arm to hold the others against; see `ecomgpt.report.study.arms.choose_reference`.
    """
    arms = arms_of(gathered.members)
    if reference and any(
        Path(reference).name == one.run.name and len(arm.members) > 1 for arm in arms for one in arm.members
    ):
        arms = arms_of(gathered.members, each=True)
    backbones = untrained_arms(arms)
    chosen = choose_reference(arms, backbones, reference)
    everyone = [*backbones, *arms]
    names = list(dict.fromkeys(task for one in gathered.members for task in one.run.tasks))
    samples = SAMPLES if len(names) * len(gathered.members) * 2 < MANY else FEW_SAMPLES
    drawn: dict[str, dict[str, Seeded]] = {}
    uncompared: dict[str, str] = {}
    outcomes = []
    for name in track(names, "comparing", len(names)):
        outcome, drawn[name], problem = _task(name, everyone, chosen, samples)
        outcomes.append(outcome)
        if problem:
            uncompared[name] = problem
    outcomes = _holm_over_tasks(outcomes)
    groups = [
        _group(name, tasks, everyone, chosen, drawn) for name, tasks in _groups(outcomes, arms, uncompared).items()
    ]
    return Study(
        gathered, arms, backbones, chosen, outcomes, groups, groups[0].name if groups else "", samples, uncompared
    )


def _task(
    name: str, arms: Sequence[Arm], reference: Arm | None, samples: int
) -> tuple[Outcome, dict[str, Seeded], str]:
    """One task with the scores over resampled rows, by arm, and why it can't be compared, if so."""
    known = {arm.label: [_scores(one, arm, name) for one in arm.members] for arm in arms}
    holders = [arm for arm in arms if all(known[arm.label])]
    first = next(scores for arm in reversed(arms) for scores in known[arm.label] if scores)
    relations = {scores.relation for arm in arms if not arm.untrained for scores in known[arm.label] if scores}
    outcome = Outcome(
        name, (name,), first.n, first.primary, task=first, relation=relations.pop() if len(relations) == 1 else "mixed"
    )
    for arm in holders:
        outcome.scores[arm.label] = _stored(known[arm.label], first.primary)
    answers, problem = _answers(name, holders) if holders else (({}, {}), "no arm has it with all its seeds")
    if first.primary not in METRIC_NAMES:
        problem = f"no known metric of record ('{first.primary}')"
    if problem:
        return outcome, {}, problem
    texts = list(dict.fromkeys(key for keys in answers[0].values() for key in keys))
    scored = dict(zip(texts, seeded([answers[1][key] for key in texts], first.primary, samples), strict=True))
    rows = {key: np.array(row_scores(answers[1][key])) for key in texts}
    drawn = {}
    for arm in holders:
        keys = answers[0][arm.label]
        drawn[arm.label] = Seeded(
            arm.seeds, np.array([scored[key][0] for key in keys]), np.stack([scored[key][1] for key in keys])
        )
        if len(keys) > 1:
            outcome.scores[arm.label] = _bounded(estimate(drawn[arm.label]))
    if reference in holders:
        base = answers[0][reference.label]
        for arm in holders:
            if arm is not reference:
                outcome.changes[arm.label] = _change(
                    difference(drawn[arm.label], drawn[reference.label]), first.primary
                )
                outcome.verdicts[arm.label] = _shares(
                    [rows[key] for key in answers[0][arm.label]], [rows[key] for key in base]
                )
    return outcome, drawn, ""


def _bounded(score: Estimate) -> Estimate:
    """A score is a share; Student's intervals of few seeds reach beyond what it can be."""
    return score._replace(low=max(score.low, 0.0), high=min(score.high, 1.0))


def _scores(member: Member, arm: Arm, task: str) -> TaskScores | None:
    return (member.run.untrained if arm.untrained else member.run.tasks).get(task)


def _stored(scores: Sequence[TaskScores | None], metric: str) -> Estimate:
    """The runs' own numbers: the mean over seeds, with an interval where there is only one."""
    own = [one.score(metric) for one in scores if one]
    if len(own) == 1:
        return Estimate(own[0].value, own[0].low, own[0].high, NAN)
    return Estimate(math.fsum(one.value for one in own) / len(own), NAN, NAN, NAN)


def _answers(task: str, arms: Sequence[Arm]) -> tuple[tuple[dict[str, list[str]], dict[str, Any]], str]:
    """(for every arm the keys of its runs' answers, answers by key), and why they can't be compared, if so.

    Equal files share a key, as those of one untrained model in several runs do, and are read once.
    """
    keys: dict[str, list[str]] = {}
    found: dict[str, Any] = {}
    nothing: tuple[dict[str, list[str]], dict[str, Any]] = ({}, {})
    for arm in arms:
        for one in arm.members:
            # A task's name is data: it must not lead out of the folder.
            path = one.run.path / "predictions" / ("untrained" if arm.untrained else "") / f"{Path(task).name}.jsonl"
            try:
                key = blake2b(path.read_bytes()).hexdigest()
                found[key] = found.get(key) or read_answers(path)
            except OSError:
                return nothing, f"{one.name} kept no predictions"
            except UserError as error:
                return nothing, error.problems[0]
            keys.setdefault(arm.label, []).append(key)
    matched = aligned(found) if found else {}
    if matched is None:
        sizes = sorted({len(answers) for answers in found.values()})
        return nothing, f"the runs answered different rows ({' and '.join(map(str, sizes))} of them)"
    return (keys, matched), ""


def _change(found: Estimate, metric: str) -> Change:
    sign = -1 if metric in LOWER_IS_BETTER else 1
    low, high = sorted((sign * found.low, sign * found.high))
    return Change(sign * found.value, low, high, found.p)


def _shares(arm: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """Better, equal and worse rows: seed against the same seed where there are as many, else each against each."""
    pairs = (
        list(zip(arm, reference, strict=True))
        if len(arm) == len(reference)
        else [(a, b) for a in arm for b in reference]
    )
    gaps = np.concatenate([a - b for a, b in pairs])
    better, worse = float((gaps > 1e-9).mean()), float((gaps < -1e-9).mean())
    return better, 1 - better - worse, worse


def _holm_over_tasks(outcomes: Sequence[Outcome]) -> list[Outcome]:
    labels = list(dict.fromkeys(label for outcome in outcomes for label in outcome.changes))
    for label in labels:
        ps = corrected({outcome.name: outcome.changes[label].p for outcome in outcomes if label in outcome.changes})
        for outcome in outcomes:
            if label in outcome.changes:
                outcome.changes[label] = replace(outcome.changes[label], p=ps[outcome.name])
    return list(outcomes)


def _groups(outcomes: Sequence[Outcome], arms: Sequence[Arm], uncompared: Collection[str]) -> dict[str, list[Outcome]]:
    """Groups of tasks that all arms have, the one that the answer is about first; tasks outside e-commerce stand alone.

    Tasks that can't be compared row by row stay out, so that they do not cost the others their test.
    """
    shared = [outcome for outcome in outcomes if all(arm.label in outcome.scores for arm in arms)]
    shared = [outcome for outcome in shared if outcome.name not in uncompared] or shared
    own = [outcome for outcome in shared if outcome.task and outcome.task.family != GENERAL]
    found: dict[str, list[Outcome]] = {}
    for relation in UNSEEN:
        found[relation] = [outcome for outcome in own if outcome.relation == relation]
    found["all"] = own
    for outcome in own:
        if outcome.relation and outcome.relation not in UNSEEN:
            found.setdefault(outcome.relation, []).append(outcome)
    for language in ("en", "zh"):
        found[f"language/{language}"] = [
            outcome for outcome in own if outcome.task and outcome.task.language == language
        ]
    found[GENERAL] = [outcome for outcome in shared if outcome not in own]
    whole = {outcome.name for outcome in own}
    return {
        name: tasks
        for name, tasks in found.items()
        if tasks and (name == "all" or {one.name for one in tasks} != whole or name in UNSEEN)
    }


def _group(
    name: str,
    outcomes: Sequence[Outcome],
    arms: Sequence[Arm],
    reference: Arm | None,
    drawn: Mapping[str, Mapping[str, Seeded]],
) -> Outcome:
    metrics = {outcome.metric for outcome in outcomes}
    tasks = tuple(outcome.name for outcome in outcomes)
    group = Outcome(name, tasks, sum(outcome.rows for outcome in outcomes), metrics.pop() if len(metrics) == 1 else "")
    means = {
        arm.label: mean([drawn[task][arm.label] for task in tasks])
        for arm in arms
        if all(arm.label in drawn[task] for task in tasks)
    }
    for arm in arms:
        if arm.label in means:
            group.scores[arm.label] = _bounded(estimate(means[arm.label]))
        elif all(arm.label in outcome.scores for outcome in outcomes):
            value = math.fsum(outcome.scores[arm.label].value for outcome in outcomes) / len(outcomes)
            group.scores[arm.label] = Estimate(value, NAN, NAN, NAN)
    if reference is not None and reference.label in means:
        found = {
            label: difference(one, means[reference.label]) for label, one in means.items() if label != reference.label
        }
        # The untrained models are shown for scale; they are no candidates among which the best is picked.
        rivals = {arm.label for arm in arms if not arm.untrained} or set(found)
        ps = corrected({label: one.p for label, one in found.items() if label in rivals})
        for label, one in found.items():
            group.changes[label] = replace(_change(one, group.metric), p=ps.get(label, one.p))
    return group
