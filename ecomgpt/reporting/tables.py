"""The tables of a report as plain rows; how a cell looks is the business of the pages."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Any

from ecomgpt.config.flat import differing
from ecomgpt.data.manifest_file import Manifest
from ecomgpt.eval.metrics.names import LOWER_IS_BETTER
from ecomgpt.eval.metrics_file import Change, Score, TaskResult
from ecomgpt.reporting.arms import Arm
from ecomgpt.reporting.load import ReportedRun, mapping, sequence
from ecomgpt.reporting.study import Comparison, Study
from ecomgpt.reporting.text import NONE, count, duration, group_name, metric_name, number, relation_name, size

COSTS = (
    ("Optimizer steps", "steps", count),
    ("Examples seen", "examples", count),
    ("Tokens seen", "tokens", count),
    ("Tokens per second", "tokens_per_second", count),
    ("Final loss", "final_loss", lambda value: NONE if value is None else f"{value:.3f}"),
    ("Peak memory", "peak_memory_bytes", size),
    ("Time in training", "seconds", duration),
)
"""(Title, key of `metrics.json`'s ``training``, how it is written)."""


@dataclass(frozen=True)
class ArmScore:
    """An arm's score of one row of the main table.

    Attributes:
        standing: ``above``, ``level`` or ``below``: beside the best baseline.
        invalid: Share of answers without the form asked for; NaN where it is not known.
        ranked: Share of rows whose likeliest candidate is right; NaN where it is not known.
        wordings: Lowest and highest score over the ways of asking, where there were several.
    """

    score: Score
    change: Change | None
    best: bool
    standing: str
    invalid: float
    ranked: float
    wordings: tuple[float, float] | None


@dataclass(frozen=True)
class ScoreRow:
    """A task or a group of tasks, a cell per arm."""

    title: str
    note: str
    rows: int
    tasks: int
    metric: str
    cells: list[ArmScore | None]
    baseline: tuple[str, float] | None


def score_row(study: Study, one: Comparison) -> ScoreRow:
    """The row of one of the study's tasks, or of one of its groups."""
    sign = -1 if one.metric in LOWER_IS_BETTER else 1
    # Rounded as they are shown: equal numbers are equally good.
    known = [sign * round(score.value, 4) for score in one.scores.values() if score.known]
    cells: list[ArmScore | None] = []
    for arm in study.columns:
        score = one.scores.get(arm.label)
        best = score is not None and len(known) > 1 and sign * round(score.value, 4) == max(known) > min(known)
        label = arm.label
        invalid, likeliest = (shares.get(label, math.nan) for shares in (one.invalid, one.ranked))
        beside = (one.standing(label), invalid, likeliest, one.wordings.get(label))
        cells.append(ArmScore(score, one.changes.get(label), best, *beside) if score else None)
    metric = metric_name(one.metric) if one.metric else "mean"
    task = one.task
    if task is None:
        return ScoreRow(group_name(one.name), "", one.rows, len(one.tasks), metric, cells, one.baseline)
    note = " · ".join(filter(None, (task.language, task.family.replace("_", " "), relation_name(one.relation))))
    return ScoreRow(task.title, note, one.rows, 1, metric, cells, one.baseline)


def paper_rows(study: Study) -> list[dict[str, Any]]:
    """The paper's points, read off a figure, beside the arms' scores by the same metric."""
    found = []
    for one in study.tasks:
        published = one.task.published if one.task else {}
        verdicts = [published[key] for key in ("win", "tie", "loss") if key in published]
        for metric, value in published.items():
            if metric not in ("win", "tie", "loss"):
                cells = [_by_metric(arm, one.name, metric) for arm in study.columns]
                row = {"title": one.title, "metric": metric_name(metric), "cells": cells, "paper": value}
                found.append(row | {"verdicts": " / ".join(map(count, verdicts))})
    return found


def _by_metric(arm: Arm, task: str, metric: str) -> Score | None:
    """The mean over an arm's seeds, as the runs stored it; the interval where there is one seed."""
    scores = [score for one in arm.results(task) if (score := one.score(metric)).known]
    if not scores or len(scores) < len(arm.members):
        return None
    return scores[0] if len(scores) == 1 else Score(fmean(score.value for score in scores))


def metric_rows(run: ReportedRun, task: TaskResult) -> list[tuple[str, list[Score | None]]]:
    """Every metric of one task: (name, scores: untrained where there is one, the run's, and by baseline)."""
    untrained = run.untrained.get(task.name)
    return [
        (
            metric_name(key),
            [
                *([untrained.metrics.get(key) if untrained else None] if run.untrained else []),
                score,
                *(tasks.get(task.name, {}).get(key) for tasks in run.baselines.values()),
            ],
        )
        for key, score in task.metrics.items()
    ]


def cost_rows(study: Study) -> list[tuple[str, list[str]]]:
    """(quantity, value by arm): what training took, as means over an arm's runs; without what no run knows."""
    rows = [("Runs", [count(len(arm.members)) for arm in study.arms])] if study.run is None else []
    rows += [
        (title, [shown(_mean(one.run.training.get(key) for one in arm.members)) for arm in study.arms])
        for title, key, shown in COSTS
    ]
    rows.append(("Time of the whole run", [duration(_mean(_elapsed(arm))) for arm in study.arms]))
    return [(title, cells) for title, cells in rows if set(cells) != {NONE}]


def _mean(values: Any) -> float | None:
    known = [found for value in values if (found := number(value)) is not None]
    return fmean(known) if known else None


def _elapsed(arm: Arm) -> Iterator[float | None]:
    """Seconds from start to end of each run, None where one of them is not known."""
    for one in arm.members:
        try:
            started, finished = (datetime.fromisoformat(one.run.status[key]) for key in ("started", "finished"))
            yield (finished - started).total_seconds()
        except (KeyError, TypeError, ValueError):
            yield None


def differing_rows(study: Study) -> list[tuple[str, list[str]]]:
    """(key, value by arm) for every configuration key in which the arms differ; the seeds last."""
    configs = [arm.config for arm in study.arms]
    rows = [(key, [_shown(config.get(key)) for config in configs]) for key in differing(configs)]
    return [*rows, ("seed", [", ".join(arm.seeds) for arm in study.arms])]


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "null" if value is None else str(value)


def origin_rows(study: Study) -> list[tuple[str, list[str]]]:
    """(run, [arm, seed, commit, data fingerprint]) of every run."""
    return [
        (
            one.name,
            [
                arm.label,
                one.seed or NONE,
                str(one.run.environment.get("git_commit") or NONE),
                one.run.manifest.fingerprint if one.run.manifest else NONE,
            ],
        )
        for arm in study.arms
        for one in arm.members
    ]


def origin_facts(study: Study) -> list[tuple[str, str]]:
    """Versions, machines and settings of the evaluation, each once."""
    runs = [one.run for one in study.gathered.members]
    packages: dict[str, dict[str, None]] = {}
    for run in runs:
        versions = {"python": run.environment.get("python"), **mapping(run.environment.get("packages"))}
        for name, version in versions.items():
            if version is not None:
                packages.setdefault(name, {})[str(version)] = None
    machines = dict.fromkeys(_machine(run.environment) for run in runs)
    settings: dict[str, dict[str, None]] = {}
    for run in runs:
        for name, value in run.settings.items():
            settings.setdefault(name, {})[_words(value)] = None
    # Where they differ, they are paths of models, or stand among the keys in which the arms differ.
    shared = {name: known for name, known in settings.items() if len(known) == 1}
    facts = [
        ("Versions", ", ".join(f"{name} {' / '.join(known)}" for name, known in packages.items())),
        ("Machine", "; ".join(filter(None, machines))),
        ("Settings", ", ".join(f"{name.replace('_', ' ')} {' '.join(known)}" for name, known in shared.items())),
    ]
    return [(name, value) for name, value in facts if value]


def _machine(environment: Mapping[str, Any]) -> str:
    parts = {
        "": ", ".join(map(_words, sequence(environment.get("gpus")))),
        "cpu": environment.get("cpu"),
        "cores": environment.get("cores"),
        "memory": size(environment.get("memory_bytes")) if environment.get("memory_bytes") else None,
        "platform": environment.get("platform"),
    }
    return ", ".join(f"{name} {value}".strip() for name, value in parts.items() if value)


def _words(value: Any) -> str:
    """A nested setting as one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(item)}" for name, item in value.items())
    return "null" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def dropped_rows(manifest: Manifest | None) -> list[tuple[str, int, int, str]]:
    """Rows that the mixture left out, most first: (reason, rows, in how many tasks, the task that lost most)."""
    by_reason: dict[str, Counter[str]] = {}
    for task in manifest.tasks if manifest else []:
        for reason, n in task.dropped.items():
            by_reason.setdefault(reason, Counter())[task.title] += n
    rows = []
    for reason, tasks in by_reason.items():
        most = max(tasks, key=lambda task: (tasks[task], task))
        rows.append((reason, tasks.total(), len(tasks), f"{most} ({count(tasks[most])})"))
    return sorted(rows, key=lambda row: (-row[1], row[0]))
