"""The report's tables as plain rows; how a cell looks is the business of the pages."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ecomgpt.report.findings import Difference, best_baseline, compare, difference, mean
from ecomgpt.report.load import DataTask, Run, Score, TaskScores, number
from ecomgpt.report.text import count, duration, metric_name, size

RELATIONS = {"cross_dataset": "cross-dataset", "cross_task": "cross-task", "in_domain": "in-domain"}
"""How groups of tasks by what training has seen are written; the others lose their underscores."""


@dataclass(frozen=True)
class ScoreRow:
    """A task by its metric of record."""

    task: TaskScores
    relation: str
    metric: str
    score: Score
    untrained: Score | None
    baseline: tuple[str, Score] | None
    difference: Difference | None


@dataclass(frozen=True)
class AverageRow:
    """The mean over a group of tasks."""

    name: str
    tasks: int
    score: Score
    untrained: Score | None
    difference: Difference | None


@dataclass(frozen=True)
class PublishedRow:
    """The paper's point for a task beside this run's score by the same metric."""

    task: TaskScores
    metric: str
    score: Score
    published: float
    verdicts: str


@dataclass(frozen=True)
class DroppedRow:
    reason: str
    examples: int
    tasks: int
    most: str


def score_rows(run: Run) -> list[ScoreRow]:
    """A row for every evaluated task, in the order of `metrics.json`."""
    differences = compare(run.tasks, run.untrained, run.changes).tasks
    return [
        ScoreRow(
            task=task,
            relation=relation_name(task.relation),
            metric=metric_name(task.primary) if task.primary else "",
            score=task.score(),
            untrained=run.untrained[name].score(task.primary) if name in run.untrained else None,
            baseline=best_baseline(run, task),
            difference=differences.get(name),
        )
        for name, task in run.tasks.items()
    ]


def average_rows(run: Run) -> list[AverageRow]:
    """The averages as the evaluation made them, each beside the untrained model's; families of one task are left to the tasks."""
    rows = []
    for group, average in run.averages.items():
        if group.startswith("family/") and len(average.tasks) < 2:
            continue
        untrained = _untrained_average(run, group)
        change = difference(average.score, untrained) if untrained else None
        name = RELATIONS.get(group, group.replace("/", ": ")).replace("_", " ")
        rows.append(AverageRow(name, len(average.tasks), average.score, untrained, change))
    return rows


def relation_name(relation: str) -> str:
    """``cross_task`` as ``cross-task``."""
    return RELATIONS.get(relation, relation.replace("_", " "))


def _untrained_average(run: Run, group: str) -> Score | None:
    """The stored one, or the mean over the same tasks: a model without training has no groups by what training saw."""
    if group in run.untrained_averages:
        return run.untrained_averages[group].score
    tasks = run.averages[group].tasks
    scores = [
        run.untrained[name].score(run.tasks[name].primary)
        for name in tasks
        if name in run.untrained and name in run.tasks
    ]
    return mean(scores) if tasks and len(scores) == len(tasks) else None


def metric_rows(run: Run, task: TaskScores) -> list[tuple[str, Score, Score | None, dict[str, Score]]]:
    """Every metric of one task: (name, score, untrained, {baseline: score})."""
    untrained = run.untrained.get(task.name)
    return [
        (
            metric_name(key),
            score,
            untrained.metrics.get(key) if untrained else None,
            {name: tasks[task.name][key] for name, tasks in run.baselines.items() if key in tasks.get(task.name, {})},
        )
        for key, score in task.metrics.items()
    ]


def published_rows(run: Run) -> list[PublishedRow]:
    """The paper's points, ``{metric: value}``; ``win``, ``tie`` and ``loss`` are its people's verdicts in percent."""
    rows = []
    for task in run.tasks.values():
        verdicts = [number(task.published.get(key)) for key in ("win", "tie", "loss")]
        shown = " / ".join(map(count, verdicts)) if None not in verdicts else ""
        for metric, value in task.published.items():
            known = number(value)
            if known is not None and metric not in ("win", "tie", "loss"):
                rows.append(PublishedRow(task, metric_name(metric), task.score(metric), known, shown))
    return rows


def dropped_rows(run: Run) -> list[DroppedRow]:
    """Rows that the mixture left out, by reason, most first; with the task that lost most."""
    totals: Counter[str] = Counter()
    worst: dict[str, tuple[int, str]] = {}
    tasks: Counter[str] = Counter()
    for task in run.manifest.tasks if run.manifest else []:
        for reason, n in task.dropped.items():
            totals[reason] += n
            tasks[reason] += 1
            worst[reason] = max(worst.get(reason, (0, "")), (n, label(task)))
    ordered = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    return [
        DroppedRow(reason, n, tasks[reason], f"{worst[reason][1]} ({count(worst[reason][0])})") for reason, n in ordered
    ]


def removed_rows(run: Run) -> list[tuple[str, int]]:
    """What the contamination guard removed, by what it was checked against or by reason."""
    removed = run.manifest.contamination.get("removed") if run.manifest else None
    if isinstance(removed, Mapping):
        return [(str(key), int(n)) for key, value in removed.items() if (n := number(value)) is not None]
    known = number(removed)
    return [] if known is None else [("all", int(known))]


def checked_against(run: Run) -> list[str]:
    """The names of the evaluation sets that the training data were checked against."""
    checked = run.manifest.contamination.get("checked_against") if run.manifest else None
    if isinstance(checked, str):
        return [checked]
    return [str(name) for name in checked] if isinstance(checked, list | tuple | Mapping) else []


def label(task: DataTask) -> str:
    """A task of the mixture with its source."""
    return f"{task.name} · {task.source}" if task.source and task.source not in task.name else task.name


def training_facts(run: Run) -> list[tuple[str, str]]:
    """What training took; only what the run knows."""
    training, machine = run.training, run.environment
    hardware = {key: machine[key] for key in ("gpus", "cpu", "cores", "memory_bytes", "platform") if machine.get(key)}
    loss = number(training.get("final_loss"))
    facts = [
        ("Optimiser steps", count(training.get("steps"))),
        ("Examples seen", count(training.get("examples"))),
        ("Tokens seen", count(training.get("tokens"))),
        ("Tokens a second", count(training.get("tokens_per_second"))),
        ("Final loss", "–" if loss is None else f"{loss:.3f}"),
        ("Peak memory", size(training.get("peak_memory_bytes"))),
        ("Time in training", duration(training.get("seconds"))),
        ("Time of the whole run", duration(elapsed(run.status))),
        ("Machine", _words(hardware)),
    ]
    return [(name, value) for name, value in facts if value not in ("", "–")]


def origin_facts(run: Run) -> list[tuple[str, str]]:
    """What is needed to make the run again, beside its command."""
    environment = run.environment
    facts = [
        ("Commit", str(environment.get("git_commit") or "")),
        ("Data fingerprint", run.manifest.fingerprint if run.manifest else ""),
        ("Seed", _words(environment.get("seed"))),
        ("Versions", _words({"python": environment.get("python")} | _packages(environment))),
        ("Settings", _words(run.settings)),
    ]
    return [(name, value) for name, value in facts if value]


def command(run: Run) -> str:
    """The command line that made the run, or an empty text."""
    return str(run.environment.get("command") or "")


def _packages(environment: Mapping[str, Any]) -> dict[str, Any]:
    packages = environment.get("packages")
    return dict(packages) if isinstance(packages, Mapping) else {}


def _words(value: Any, key: str = "") -> str:
    """Nested settings as one line; keys that end in `_bytes` become sizes."""
    if isinstance(value, Mapping):
        parts = [(str(name), _words(item, str(name))) for name, item in value.items()]
        return ", ".join(f"{name.removesuffix('_bytes').replace('_', ' ')} {words}" for name, words in parts if words)
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(_words, value)))
    if key.endswith("_bytes") and number(value) is not None:
        return size(value)
    return "" if value is None else str(value)


def elapsed(status: Mapping[str, Any]) -> float | None:
    """Seconds from `started` to `finished`, or None where one of them is not known."""
    started, finished = _moment(status.get("started")), _moment(status.get("finished"))
    return None if started is None or finished is None else finished - started


def _moment(value: object) -> float | None:
    """Seconds since 1970, from such a number or from an ISO 8601 text."""
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else number(value)
    except ValueError:
        return None


def relative(path: os.PathLike[str]) -> str:
    """``path`` from the current folder where that is shorter."""
    here = os.path.relpath(path)
    return here if len(here) < len(os.fspath(path)) else os.fspath(path)
