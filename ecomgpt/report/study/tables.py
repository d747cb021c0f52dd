"""The tables of a study as plain rows; how a cell looks is the business of the pages."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ecomgpt.config.flat import differing
from ecomgpt.eval.statistics.pooled import Estimate
from ecomgpt.report.findings import LOWER_IS_BETTER, best_baseline
from ecomgpt.report.load import Score, number, sequence
from ecomgpt.report.study.arms import Arm
from ecomgpt.report.study.compare import Change, Outcome, Study
from ecomgpt.report.study.findings import group_name
from ecomgpt.report.tables import elapsed, relation_name
from ecomgpt.report.text import count, duration, energy, metric_name, size

NO_ENERGY = "not readable here"


@dataclass(frozen=True)
class Cell:
    """An arm's score of one row of the main table."""

    score: Score
    change: Change | None
    best: bool


@dataclass(frozen=True)
class Row:
    """A task or a group of tasks, a cell an arm."""

    title: str
    note: str
    rows: int
    tasks: int
    metric: str
    cells: list[Cell | None]
    baseline: tuple[str, Score] | None


@dataclass(frozen=True)
class PaperRow:
    """The paper's point for a task beside the arms' scores by the same metric."""

    title: str
    metric: str
    cells: list[Score | None]
    paper: float
    verdicts: str


def columns(study: Study) -> list[Arm]:
    """The arms of the main table: the models before training first."""
    return [*study.backbones, *study.arms]


def task_rows(study: Study) -> list[Row]:
    """A row a task, in the order of the suite."""
    return [_row(study, task) for task in study.tasks]


def group_rows(study: Study) -> list[Row]:
    """A row a group of tasks, the answer's first."""
    return [_row(study, group) for group in study.groups]


def _row(study: Study, outcome: Outcome) -> Row:
    sign = -1 if outcome.metric in LOWER_IS_BETTER else 1
    known = [sign * round(score.value, 4) for score in outcome.scores.values() if math.isfinite(score.value)]
    cells = []
    for arm in columns(study):
        score = outcome.scores.get(arm.label)
        # A bold figure says "the best of several", and equal ones are equally good.
        best = score is not None and len(known) > 1 and sign * round(score.value, 4) == max(known) > min(known)
        cells.append(None if score is None else Cell(as_score(score), outcome.changes.get(arm.label), best))
    task = outcome.task
    baseline = best_baseline(study.gathered.members[0].run, task) if task else None
    if task is None:
        title, note = group_name(outcome.name), ""
    else:
        title, note = (
            task.title,
            " · ".join(filter(None, (task.language, task.family.replace("_", " "), relation_name(outcome.relation)))),
        )
    metric = metric_name(outcome.metric) if outcome.metric else "mean"
    return Row(title, note, outcome.rows, len(outcome.tasks), metric, cells, baseline)


def as_score(found: Estimate) -> Score:
    """An estimate as the pages show scores."""
    return Score(found.value, found.low, found.high)


def paper_rows(study: Study) -> list[PaperRow]:
    """The paper's points, read off a figure, where the suite has its tasks."""
    found = []
    for outcome in study.tasks:
        published = outcome.task.published if outcome.task else {}
        verdicts = [number(published.get(key)) for key in ("win", "tie", "loss")]
        shown = " / ".join(map(count, verdicts)) if None not in verdicts else ""
        for metric, value in published.items():
            known = number(value)
            if known is not None and metric not in ("win", "tie", "loss"):
                cells = [_by_metric(arm, outcome.name, metric) for arm in columns(study)]
                found.append(PaperRow(outcome.title, metric_name(metric), cells, known, shown))
    return found


def _by_metric(arm: Arm, task: str, metric: str) -> Score | None:
    """The mean over an arm's seeds, as the runs stored it; the interval where there is one seed."""
    held = [(one.run.untrained if arm.untrained else one.run.tasks).get(task) for one in arm.members]
    scores = [one.score(metric) for one in held if one is not None and one.score(metric).known]
    if not scores or len(scores) < len(arm.members):
        return None
    return scores[0] if len(scores) == 1 else Score(fmean(score.value for score in scores))


def cost_rows(study: Study) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """(column titles, (arm, cells)): what training took, as means over an arm's runs."""
    titles = ["Runs", "Training", "Whole run", "Tokens", "Tokens/s", "Peak memory", "Energy"]
    return titles, [(arm.label, list(_cost(arm))) for arm in study.arms]


def _cost(arm: Arm) -> Iterator[str]:
    runs = [one.run for one in arm.members]

    def mean(key: str) -> float | None:
        known = [value for run in runs if (value := number(run.training.get(key))) is not None]
        return fmean(known) if known else None

    times = [value for run in runs if (value := elapsed(run.status)) is not None]
    yield count(len(runs))
    yield duration(mean("seconds"))
    yield duration(fmean(times)) if times else "–"
    yield count(mean("tokens"))
    yield count(mean("tokens_per_second"))
    yield size(mean("peak_memory_bytes"))
    joules = mean("energy_joules")
    yield (NO_ENERGY if any(run.was_trained for run in runs) else "–") if joules is None else energy(joules)


def differing_rows(study: Study) -> list[tuple[str, list[str]]]:
    """(key, value by arm) for every configuration key in which the arms differ; the seeds last."""
    configs = [arm.config for arm in study.arms]
    rows = [(key, [_shown(config.get(key)) for config in configs]) for key in differing(configs)]
    return [*rows, ("seed", [", ".join(arm.seeds) for arm in study.arms])]


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "null" if value is None else str(value)


def origin_rows(study: Study) -> list[tuple[str, str, str, str, str]]:
    """(run, arm, commit, data fingerprint, directory) of every run."""
    return [
        (
            one.name,
            arm.label,
            str(one.run.environment.get("git_commit") or "–"),
            one.run.manifest.fingerprint if one.run.manifest else "–",
            one.run.path.name,
        )
        for arm in study.arms
        for one in arm.members
    ]


def origin_facts(study: Study) -> list[tuple[str, str]]:
    """Versions and machines, each once."""
    runs = [one.run for one in study.gathered.members]
    packages: dict[str, set[str]] = {}
    for run in runs:
        known = run.environment.get("packages")
        for name, version in {
            "python": run.environment.get("python"),
            **(known if isinstance(known, dict) else {}),
        }.items():
            packages.setdefault(str(name), set()).add(str(version))
    versions = ", ".join(
        f"{name} {' / '.join(sorted(values))}" for name, values in packages.items() if values != {"None"}
    )
    machines = {
        f"{run.environment.get('cpu')}, {run.environment.get('cores')} cores"
        for run in runs
        if run.environment.get("cpu")
    }
    gpus = {str(gpu) for run in runs for gpu in sequence(run.environment.get("gpus"))}
    facts = [("Versions", versions), ("Machine", "; ".join(sorted(machines | gpus)))]
    return [(name, value) for name, value in facts if value]


def as_json(study: Study) -> dict[str, Any]:
    """All numbers of the comparison, for other programs: fractions of one, not points."""

    def plain(outcome: Outcome) -> dict[str, Any]:
        return {
            "metric": outcome.metric or None,
            "rows": outcome.rows,
            "tasks": list(outcome.tasks),
            "scores": {label: _rounded(score._asdict(), "p") for label, score in outcome.scores.items()},
            "changes": {
                label: _rounded({**vars(change), "verdict": change.verdict})
                for label, change in outcome.changes.items()
            },
            "rows_won_tied_lost": {
                label: [round(share, 6) for share in shares] for label, shares in outcome.verdicts.items()
            },
        }

    return {
        "reference": study.reference.label if study.reference else None,
        "arms": {
            arm.label: {"runs": [one.name for one in arm.members], "seeds": list(arm.seeds), "untrained": arm.untrained}
            for arm in columns(study)
        },
        "answer": study.headline,
        "resamples": study.samples,
        "groups": {group.name: plain(group) for group in study.groups},
        "tasks": {task.name: plain(task) for task in study.tasks},
        "not_compared": study.uncompared,
        "absent": [vars(one) for one in study.gathered.absent],
    }


def _rounded(values: dict[str, Any], *without: str) -> dict[str, Any]:
    kept = {key: value for key, value in values.items() if key not in without}
    return {
        key: (round(value, 6) if math.isfinite(value) else None) if isinstance(value, float) else value
        for key, value in kept.items()
    }
