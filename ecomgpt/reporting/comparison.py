"""Compares arms on every task and on groups of tasks, row by row and seed by seed where the runs kept their answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from statistics import fmean

import numpy as np

from ecomgpt.common.errors import UserError
from ecomgpt.common.progress import track
from ecomgpt.eval.analysis import row_scores
from ecomgpt.eval.metrics.names import LOWER_IS_BETTER, METRIC_NAMES
from ecomgpt.eval.metrics_file import Score
from ecomgpt.eval.predictions import read_answers
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.statistics.paired import (
    SAMPLES,
    IntervalEstimate,
    Seeded,
    aligned,
    corrected,
    difference,
    estimate,
    mean,
    seeded,
)
from ecomgpt.eval.task import GENERAL
from ecomgpt.reporting.arms import TRAINED, Arm, arms_of, choose_reference, untrained_arms
from ecomgpt.reporting.gather import Gathered
from ecomgpt.reporting.study import Change, Comparison, Study

MANY, FEW_SAMPLES = 1000, 2_000
"""From so many pairs of run and task on, so many resamples do."""
UNSEEN = ("cross_task", "cross_dataset", "held_out_task")
"""What training has seen least, the farthest first: what the answer is about (see `ecomgpt.eval.trained.RELATIONS`)."""


def compare(gathered: Gathered, reference: str | None = None) -> Study:
    """Compares what was gathered.

    Args:
        gathered: The runs.
        reference: Names the arm to hold the others against; see `ecomgpt.reporting.arms.choose_reference`.
    """
    arms = arms_of(gathered.members)
    named = Path(reference).name if reference else ""
    if any(named == one.run.name and len(arm.members) > 1 for arm in arms for one in arm.members):
        arms = arms_of(gathered.members, each=True)
    if gathered.run is not None and gathered.run.was_trained:
        arms = [replace(arms[0], label=TRAINED)]
    backbones = untrained_arms(arms)
    chosen = choose_reference(arms, backbones, reference)
    everyone = [*backbones, *arms]
    names = list(dict.fromkeys(task for one in gathered.members for task in one.run.tasks))
    samples = SAMPLES if len(names) * len(gathered.members) * 2 < MANY else FEW_SAMPLES
    drawn: dict[str, dict[str, Seeded]] = {}
    uncompared: dict[str, str] = {}
    tasks = []
    for name in track(names, "comparing", len(names)):
        task = _unpaired(name, everyone)
        tasks.append(task)
        try:
            drawn[name] = _pair(task, everyone, chosen, samples)
        except UserError as error:
            drawn[name], uncompared[name] = {}, error.problems[0]
    _correct_over_tasks(tasks)
    if gathered.run is not None and chosen in backbones:
        _take_stored_changes(tasks, arms[0], uncompared)
    groups = _groups(tasks, arms, uncompared, families=gathered.run is not None)
    means = [_group(name, members, everyone, chosen, drawn) for name, members in groups.items()]
    return Study(gathered, arms, backbones, chosen, tasks, means, samples, uncompared)


def _unpaired(name: str, arms: Sequence[Arm]) -> Comparison:
    """One task by the scores that the runs stored: means over seeds, with an interval where there is only one."""
    known = {arm.label: arm.results(name) for arm in arms}
    first = next(result for arm in reversed(arms) for result in known[arm.label])
    relations = {result.relation for arm in arms if not arm.untrained for result in known[arm.label]}
    relation = relations.pop() if len(relations) == 1 else "mixed"
    task = Comparison(name, (name,), first.n, first.primary, task=first, relation=relation)
    for arm in arms:
        scores = [result.score(first.primary) for result in known[arm.label]]
        if len(scores) == len(arm.members):
            task.scores[arm.label] = scores[0] if len(scores) == 1 else Score(fmean(score.value for score in scores))
    return task


def _pair(task: Comparison, arms: Sequence[Arm], reference: Arm | None, samples: int) -> dict[str, Seeded]:
    """Adds the differences to the reference, row by row.

    Returns:
        The scores over resampled rows, by arm.

    Raises:
        UserError: With the reason, if the task can't be compared.
    """
    holders = [arm for arm in arms if arm.label in task.scores]
    if not holders:
        raise UserError("no arm has it with all its seeds")
    keys, answers = _answers(task.name, holders)
    if task.metric not in METRIC_NAMES:
        raise UserError(f"no known metric of record ('{task.metric}')")
    scored = dict(zip(answers, seeded(list(answers.values()), task.metric, samples), strict=True))
    rows = {key: np.array(row_scores(of_run)) for key, of_run in answers.items()}
    drawn = {}
    for arm in holders:
        values, resampled = zip(*(scored[key] for key in keys[arm.label]), strict=True)
        drawn[arm.label] = Seeded(arm.seeds, np.array(values), np.stack(resampled))
        if len(values) > 1:
            task.scores[arm.label] = _share(estimate(drawn[arm.label]))
    if reference in holders:
        for arm in (one for one in holders if one is not reference):
            found = difference(drawn[arm.label], drawn[reference.label])
            task.changes[arm.label] = _change(found, task.metric)
            own, base = ([rows[key] for key in keys[one.label]] for one in (arm, reference))
            task.verdicts[arm.label] = _row_verdicts(own, base)
    return drawn


def _answers(task: str, arms: Sequence[Arm]) -> tuple[dict[str, list[str]], dict[str, list[Answer]]]:
    """The keys of every arm's answers, and the answers by key, all in the same order of rows.

    Equal files share a key, as those of one untrained model in several runs do, and are read once.
    """
    keys: dict[str, list[str]] = {}
    read: dict[str, list[Answer]] = {}
    for arm in arms:
        for one in arm.members:
            # A task's name is data: it must not lead out of the folder.
            path = one.run.path / "predictions" / ("untrained" if arm.untrained else "") / f"{Path(task).name}.jsonl"
            try:
                key = blake2b(path.read_bytes()).hexdigest()
            except OSError:
                raise UserError(f"{one.name} kept no predictions") from None
            if key not in read:
                read[key] = read_answers(path)
            keys.setdefault(arm.label, []).append(key)
    return keys, aligned(read)


def _share(score: IntervalEstimate) -> Score:
    """A score is a share; Student's intervals of few seeds reach beyond what it can be."""
    return Score(score.value, max(score.low, 0.0), min(score.high, 1.0))


def _change(found: IntervalEstimate, metric: str) -> Change:
    if metric in LOWER_IS_BETTER:
        return Change(-found.value, -found.high, -found.low, found.p)
    return Change(*found)


def _row_verdicts(arm: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """Better, equal and worse rows: seed against the same seed where there are as many, else each against each."""
    same = len(arm) == len(reference)
    pairs = zip(arm, reference, strict=True) if same else [(a, b) for a in arm for b in reference]
    gaps = np.concatenate([a - b for a, b in pairs])
    better, worse = float((gaps > 1e-9).mean()), float((gaps < -1e-9).mean())
    return better, 1 - better - worse, worse


def _correct_over_tasks(tasks: Sequence[Comparison]) -> None:
    for label in dict.fromkeys(label for task in tasks for label in task.changes):
        known = [task for task in tasks if label in task.changes]
        ps = corrected({task.name: task.changes[label].p for task in known})
        for task in known:
            task.changes[label] = replace(task.changes[label], p=ps[task.name])


def _take_stored_changes(tasks: Sequence[Comparison], arm: Arm, uncompared: dict[str, str]) -> None:
    """What the evaluation found that training changed, where the answers are no longer there to compare again."""
    stored = arm.members[0].run.changes
    for task in tasks:
        if task.name in uncompared and task.name in stored:
            score, p = stored[task.name]
            task.changes[arm.label] = _change(IntervalEstimate(score.value, score.low, score.high, p), task.metric)
            del uncompared[task.name]


def _groups(
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


def _group(
    name: str,
    tasks: Sequence[Comparison],
    arms: Sequence[Arm],
    reference: Arm | None,
    drawn: Mapping[str, Mapping[str, Seeded]],
) -> Comparison:
    metrics = {task.metric for task in tasks}
    names = tuple(task.name for task in tasks)
    group = Comparison(name, names, sum(task.rows for task in tasks), metrics.pop() if len(metrics) == 1 else "")
    means = {
        arm.label: mean([drawn[task][arm.label] for task in names])
        for arm in arms
        if all(arm.label in drawn[task] for task in names)
    }
    for arm in arms:
        if arm.label in means:
            group.scores[arm.label] = _share(estimate(means[arm.label]))
        elif all(arm.label in task.scores for task in tasks):
            group.scores[arm.label] = Score(fmean(task.scores[arm.label].value for task in tasks))
    if reference is not None and reference.label in means:
        base = means[reference.label]
        found = {label: difference(one, base) for label, one in means.items() if label != reference.label}
        # The untrained models are shown for scale; they are no candidates among which the best is picked.
        rivals = {arm.label for arm in arms if not arm.untrained} or set(found)
        ps = corrected({label: one.p for label, one in found.items() if label in rivals})
        for label, one in found.items():
            group.changes[label] = replace(_change(one, group.metric), p=ps.get(label, one.p))
    return group
