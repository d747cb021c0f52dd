"""A run directory as plain dataclasses. Only `metrics.json` is needed; every other part may be absent."""

from __future__ import annotations

import contextlib
import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecomgpt.common.errors import UserError

# The metric of record where a task names none: the first of these that it has.
PRIMARY = ("micro_f1", "accuracy", "macro_f1", "rouge_l", "exact_match")


@dataclass(frozen=True)
class Score:
    """A value with its 95 % interval, all on the scale of `metrics.json`; NaN where something is not known."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def known(self) -> bool:
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        return self.known and math.isfinite(self.low) and math.isfinite(self.high)


UNKNOWN = Score(math.nan)


@dataclass(frozen=True)
class TaskScores:
    """The scores of one evaluation task under one arm (a model, or the same model before training)."""

    name: str
    title: str
    n: int
    primary: str
    metrics: dict[str, Score]
    language: str = ""
    family: str = ""
    relation: str = ""
    published: dict[str, Any] = field(default_factory=dict)

    def score(self, metric: str | None = None) -> Score:
        """The score of ``metric``, or of the metric of record."""
        return self.metrics.get(metric or self.primary, UNKNOWN)


@dataclass(frozen=True)
class Change:
    """What training changed on a task, by a paired bootstrap over its rows; ``p`` is Holm-corrected over the tasks."""

    score: Score
    p: float


@dataclass(frozen=True)
class Average:
    """The mean over a group of tasks by each task's metric of record."""

    tasks: tuple[str, ...]
    score: Score


@dataclass(frozen=True)
class DataTask:
    """One task of the training mixture, as `data/manifest.json` counts it."""

    name: str
    source: str
    family: str
    kind: str
    label: str
    examples: int
    tokens: int
    dropped: dict[str, int]
    truncated: int

    @property
    def group(self) -> str:
        """`raw`, `golden atomic` or `pseudo atomic`; raw tasks with pseudo labels count as raw."""
        return f"{self.label or 'golden'} atomic" if self.kind == "atomic" else "raw"


@dataclass(frozen=True)
class Manifest:
    """What the model was trained on."""

    fingerprint: str
    examples: int
    tokens: int
    tasks: list[DataTask]
    contamination: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """All that a report shows of one run, except the predictions, which are read task by task."""

    path: Path
    tasks: dict[str, TaskScores]
    untrained: dict[str, TaskScores]
    changes: dict[str, Change]
    baselines: dict[str, dict[str, dict[str, Score]]]
    averages: dict[str, Average]
    untrained_averages: dict[str, Average]
    training: dict[str, Any]
    settings: dict[str, Any]
    manifest: Manifest | None
    environment: dict[str, Any]
    status: dict[str, Any]
    curve: dict[str, list[tuple[float, float]]]
    config: str

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def was_trained(self) -> bool:
        return (number(self.training.get("steps")) or 0) > 0


def load(run_dir: Path) -> Run:
    """Read the run directory ``run_dir``.

    Raises:
        UserError: if it does not exist, has no `metrics.json`, or a JSON file in it is broken (all such files are named).
    """
    run_dir = Path(run_dir).resolve()
    if not run_dir.is_dir():
        raise UserError(f"{run_dir}: no such run directory; give the folder that holds metrics.json")
    if not (run_dir / "metrics.json").is_file():
        raise UserError(f"{run_dir}: metrics.json is missing; evaluate the run first (job=evaluate)")
    problems: list[str] = []
    metrics, manifest, environment, status = (
        read_object(run_dir / name, problems)
        for name in ("metrics.json", "data/manifest.json", "environment.json", "status.json")
    )
    if problems:
        raise UserError(*problems)
    untrained = _mapping(metrics.get("untrained"))
    config = run_dir / "config.yaml"
    return Run(
        path=run_dir,
        tasks=_tasks(metrics.get("tasks")),
        untrained=_tasks(untrained.get("tasks")),
        changes=_changes(metrics.get("changes")),
        baselines=_baselines(metrics.get("baselines")),
        averages=_averages(metrics.get("averages")),
        untrained_averages=_averages(untrained.get("averages")),
        training=_mapping(metrics.get("training")),
        settings=_mapping(metrics.get("settings")),
        manifest=_manifest(manifest) if manifest else None,
        environment=environment,
        status=status,
        curve=_curve(run_dir / "logs" / "metrics.csv"),
        config=config.read_text("utf-8", errors="replace") if config.is_file() else "",
    )


def number(value: object) -> float | None:
    """``value`` as a finite float, or None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def read_object(path: Path, problems: list[str]) -> dict[str, Any]:
    """The JSON object in a file; an empty one where there is no file, or where it holds something else, which ``problems`` then names."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{path}:{getattr(error, 'lineno', 1)}: not valid JSON ({error}); write the file again")
        return {}
    if not isinstance(content, dict):
        problems.append(f"{path}:1: a JSON object is expected, not {type(content).__name__}; write the file again")
        return {}
    return content


def _mapping(value: object) -> dict[str, Any]:
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


def sequence(value: object) -> list[Any]:
    """``value`` if it is a list, else an empty one: files are data."""
    return value if isinstance(value, list) else []


def _count(value: object) -> int:
    return int(number(value) or 0)


def _score(value: object) -> Score:
    """A score from ``0.5`` or from ``{"value": 0.5, "low": 0.4, "high": 0.6}``."""
    parts = value if isinstance(value, Mapping) else {"value": value}
    return Score(*(math.nan if (x := number(parts.get(key))) is None else x for key in ("value", "low", "high")))


def _tasks(value: object) -> dict[str, TaskScores]:
    tasks = {}
    for name, entry in _mapping(value).items():
        entry = _mapping(entry)
        metrics = {metric: _score(score) for metric, score in _mapping(entry.get("metrics")).items()}
        guess = next((metric for metric in (*PRIMARY, *metrics) if metric in metrics), "")
        tasks[name] = TaskScores(
            name=name,
            title=str(entry.get("title") or name),
            n=_count(entry.get("n")),
            primary=str(entry.get("primary") or guess),
            metrics=metrics,
            language=str(entry.get("language") or ""),
            family=str(entry.get("family") or ""),
            relation=str(entry.get("relation") or ""),
            published=_mapping(entry.get("published")),
        )
    return tasks


def _changes(value: object) -> dict[str, Change]:
    found = {}
    for task, entry in _mapping(value).items():
        entry = _mapping(entry)
        p = number(entry.get("p_holm"))
        if p is not None:
            found[task] = Change(_score(entry), p)
    return found


def _baselines(value: object) -> dict[str, dict[str, dict[str, Score]]]:
    """Baseline -> task -> metric -> score."""
    return {
        baseline: {
            task: {metric: _score(score) for metric, score in _mapping(scores).items()}
            for task, scores in _mapping(tasks).items()
        }
        for baseline, tasks in _mapping(value).items()
    }


def _averages(value: object) -> dict[str, Average]:
    """By group, from ``{group: {"tasks": [...], "metrics": {"primary": {"value", "low", "high"}}}}``."""
    found = {}
    for group, entry in _mapping(value).items():
        entry = _mapping(entry)
        metrics = _mapping(entry.get("metrics"))
        if "primary" in metrics:
            found[group] = Average(tuple(map(str, sequence(entry.get("tasks")))), _score(metrics["primary"]))
    return found


def _manifest(value: dict[str, Any]) -> Manifest:
    tasks = []
    for entry in sequence(value.get("tasks")):
        entry = _mapping(entry)
        source = str(entry.get("source") or "")
        tasks.append(
            DataTask(
                name=str(entry.get("name") or ""),
                source=source,
                family=str(entry.get("family") or source),
                kind=str(entry.get("kind") or "raw"),
                label=str(entry.get("label") or ""),
                examples=_count(entry.get("examples")),
                tokens=_count(entry.get("tokens")),
                dropped={reason: _count(n) for reason, n in _mapping(entry.get("dropped")).items() if _count(n)},
                truncated=_count(entry.get("truncated")),
            )
        )
    return Manifest(
        fingerprint=str(value.get("fingerprint") or ""),
        examples=_count(value.get("examples")),
        tokens=_count(value.get("tokens")),
        tasks=tasks,
        contamination=_mapping(value.get("contamination")),
    )


def _curve(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Column -> [(step, value)] in order of steps; cells that are empty or not finite are gaps."""
    curves: dict[str, dict[float, float]] = {}
    if not path.is_file():
        return {}
    # A line longer than csv's limit is none of ours; what stands before it is shown.
    with path.open(encoding="utf-8", errors="replace", newline="") as lines, contextlib.suppress(csv.Error):
        for row in csv.DictReader(line.replace("\0", "") for line in lines):
            step = _cell(row.get("step"))
            for column, cell in row.items():
                value = _cell(cell)
                if step is not None and value is not None and column not in (None, "step"):
                    # A resumed run repeats steps; what was written last is what the model kept.
                    curves.setdefault(column, {})[step] = value
    return {column: sorted(points.items()) for column, points in curves.items()}


def _cell(text: object) -> float | None:
    try:
        return number(float(text)) if isinstance(text, str) else None
    except ValueError:
        return None
