"""Compares arms on every task and on groups of tasks, row by row and seed by seed where the runs kept their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from statistics import fmean

import numpy as np

from ecomgpt.common.errors import UserError
from ecomgpt.common.progress import track
from ecomgpt.eval.analysis import row_scores
from ecomgpt.eval.metrics.names import LOWER_IS_BETTER, METRIC_NAMES
from ecomgpt.eval.metrics_file import RANKED_ACCURACY, Score, TaskResult
from ecomgpt.eval.predictions import read_answers
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.statistics import uncertainty
from ecomgpt.eval.statistics.counts import counts
from ecomgpt.eval.statistics.paired import aligned, holm
from ecomgpt.reporting.arms import TRAINED, Arm, arms_of, choose_reference, untrained_arms
from ecomgpt.reporting.gather import Gathered
from ecomgpt.reporting.groups import ByArm, change_of, deciding, group_of, groups_of, leave_one_out
from ecomgpt.reporting.load import ReportedRun
from ecomgpt.reporting.study import Comparison, Study


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
    counted: dict[str, ByArm] = {}
    uncompared: dict[str, str] = {}
    tasks = []
    for name in track(names, "comparing", len(names)):
        task = _unpaired(name, everyone, gathered)
        tasks.append(task)
        try:
            counted[name] = _pair(task, everyone, chosen)
        except UserError as error:
            counted[name], uncompared[name] = {}, error.problems[0]
    _correct_over_tasks(tasks)
    if gathered.run is not None and chosen in backbones:
        _take_stored_changes(tasks, arms[0], uncompared)
    groups = groups_of(tasks, arms, uncompared, families=gathered.run is not None)
    means = [group_of(name, members, everyone, chosen, counted) for name, members in groups.items()]
    if means and len(arms) > 1:
        means[:0] = deciding(means[0], tasks, arms, everyone, chosen, counted)
    if means and chosen is not None:
        leave_one_out(means[0], chosen, counted)
    return Study(gathered, arms, backbones, chosen, tasks, means, uncompared, counted)


def _unpaired(name: str, arms: Sequence[Arm], gathered: Gathered) -> Comparison:
    """One task by the scores that the runs stored: means over seeds, with an interval where there is only one."""
    known = {arm.label: arm.results(name) for arm in arms}
    first = next(result for arm in reversed(arms) for result in known[arm.label])
    relations = {result.relation for arm in arms if not arm.untrained for result in known[arm.label]}
    relation = relations.pop() if len(relations) == 1 else "mixed"
    baseline = next(filter(None, (_best_baseline(one.run, first) for one in gathered.members)), None)
    task = Comparison(name, (name,), first.n, first.primary, task=first, relation=relation, baseline=baseline)
    for arm in arms:
        scores = [result.score(first.primary) for result in known[arm.label]]
        if len(scores) == len(arm.members):
            task.scores[arm.label] = scores[0] if len(scores) == 1 else Score(fmean(score.value for score in scores))
            if all(RANKED_ACCURACY in result.metrics for result in known[arm.label]):
                task.ranked[arm.label] = fmean(result.score(RANKED_ACCURACY).value for result in known[arm.label])
            ways = [result.wordings for result in known[arm.label]]
            if all(ways):
                by_way = [fmean(values) for values in zip(*ways, strict=False)]
                task.wordings[arm.label] = (min(by_way), max(by_way))
            task.invalid[arm.label] = fmean(result.score("invalid_rate").value for result in known[arm.label])
    return task


def _best_baseline(run: ReportedRun, task: TaskResult) -> tuple[str, float] | None:
    """The strongest baseline of a task by its metric of record: (name, value), or None."""
    sign = -1 if task.primary in LOWER_IS_BETTER else 1
    scores = {name: tasks.get(task.name, {}).get(task.primary) for name, tasks in run.baselines.items()}
    known = [(name, score.value) for name, score in scores.items() if score is not None and score.known]
    return max(known, key=lambda item: sign * item[1], default=None)


def _pair(task: Comparison, arms: Sequence[Arm], reference: Arm | None) -> ByArm:
    """Adds the differences to the reference, row by row.

    Returns:
        What the answers add to the task's metric, by arm and seed.

    Raises:
        UserError: With the reason, if the task can't be compared.
    """
    holders = [arm for arm in arms if arm.label in task.scores]
    if not holders:
        raise UserError("no arm has it with all its seeds")
    keys, answers = _answers(task.name, holders)
    if task.metric not in METRIC_NAMES:
        raise UserError(f"no known metric of record ('{task.metric}')")
    of_file = dict(zip(answers, counts(list(answers.values()), task.metric), strict=True))
    rows = {key: np.array(row_scores(of_run)) for key, of_run in answers.items()}
    counted = {arm.label: [of_file[key] for key in keys[arm.label]] for arm in holders}
    for label, by_seed in counted.items():
        task.scores[label] = uncertainty.score([[one] for one in by_seed])
    if reference is not None and reference in holders:
        for arm in (one for one in holders if one is not reference):
            task.changes[arm.label] = change_of(
                [task.name], task.metric, arm.label, reference.label, {task.name: counted}
            )
            own, base = ([rows[key] for key in keys[one.label]] for one in (arm, reference))
            task.verdicts[arm.label] = _row_verdicts(own, base)
    return counted


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
        changes = holm({task.name: task.changes[label] for task in known})
        for task in known:
            task.changes[label] = changes[task.name]


def _take_stored_changes(tasks: Sequence[Comparison], arm: Arm, uncompared: dict[str, str]) -> None:
    """What the evaluation found that training changed, where the answers are no longer there to compare again."""
    stored = arm.members[0].run.changes
    for task in tasks:
        if task.name in uncompared and task.name in stored:
            change = stored[task.name]
            task.changes[arm.label] = change.reversed() if task.metric in LOWER_IS_BETTER else change
            del uncompared[task.name]
