"""A run directory as a report sees it. Only `metrics.json` must be there. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import csv
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ecomgpt.common.errors import UserError
from ecomgpt.data.manifest_file import Manifest
from ecomgpt.eval.metrics_file import Change, Score, TaskResult

T = TypeVar("T")


@dataclass(frozen=True)
class ReportedRun:
    """All that a report shows of one run, except the predictions, which are read task by task.

    Attributes:
        tasks, untrained: Results by task, of the run's model and of the same model before training.
        changes: What training changed, by task.
        baselines: Baseline to task to metric to score.
        curve: The training log: column to points of (step, value).
        config: The text of `config.yaml`.
    """

    path: Path
    tasks: dict[str, TaskResult]
    untrained: dict[str, TaskResult]
    changes: dict[str, Change]
    baselines: dict[str, dict[str, dict[str, Score]]]
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
        return bool(self.training.get("steps"))


def load(run_dir: Path) -> ReportedRun:
    """Reads the run directory ``run_dir``.

    Raises:
        UserError: If it does not exist or has no `metrics.json`; with all files in it that are broken or foreign.
    """
    run_dir = Path(run_dir).resolve()
    if not run_dir.is_dir():
        raise UserError(f"{run_dir}: no such run directory; give the folder that holds metrics.json")
    if not (run_dir / "metrics.json").is_file():
        raise UserError(f"{run_dir}: metrics.json is missing; evaluate the run first (job=evaluate)")
    problems: list[str] = []
    names = ("metrics.json", "data/manifest.json", "environment.json", "status.json")
    metrics, manifest, environment, status = (read_object(run_dir / name, problems) for name in names)
    scores = _typed(run_dir / names[0], _scores, metrics, problems)
    mixture = _typed(run_dir / names[1], Manifest.from_json, manifest, problems) if manifest else None
    if problems or scores is None:
        raise UserError(*problems)
    config = run_dir / "config.yaml"
    return ReportedRun(
        path=run_dir,
        **scores,
        manifest=mixture,
        environment=environment,
        status=status,
        curve=_curve(run_dir / "logs" / "metrics.csv"),
        config=config.read_text("utf-8", errors="replace") if config.is_file() else "",
    )


def _typed(path: Path, read: Callable[[dict[str, Any]], T], content: dict[str, Any], problems: list[str]) -> T | None:
    try:
        return read(content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        problems.append(f"{path}: not in the format that ecomgpt writes ({error!r}); write the file again")
        return None


def _scores(metrics: dict[str, Any]) -> dict[str, Any]:
    """The fields of `ReportedRun` that stand in `metrics.json`."""
    untrained = metrics.get("untrained") or {}
    changes = metrics.get("changes") or {}
    return {
        "tasks": {name: TaskResult.from_json(name, entry) for name, entry in metrics.get("tasks", {}).items()},
        "untrained": {name: TaskResult.from_json(name, entry) for name, entry in untrained.get("tasks", {}).items()},
        "changes": {task: Change.from_json(entry) for task, entry in changes.items()},
        "baselines": {
            baseline: {
                task: {metric: Score.from_json(score) for metric, score in scores.items()}
                for task, scores in tasks.items()
            }
            for baseline, tasks in (metrics.get("baselines") or {}).items()
        },
        "training": dict(metrics.get("training") or {}),
        "settings": dict(metrics.get("settings") or {}),
    }


def read_object(path: Path, problems: list[str]) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none, or where ``problems`` then says what is wrong."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        problems.append(f"{path}:{getattr(error, 'lineno', 1)}: not valid JSON ({error}); write the file again")
        return {}
    if not isinstance(content, dict):
        problems.append(f"{path}:1: a JSON object is expected, not {type(content).__name__}; write the file again")
        return {}
    return content


def mapping(value: object) -> Mapping[str, Any]:
    """``value`` if it is a mapping, else an empty one: for what is only shown."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> list[Any]:
    """``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def _curve(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Column -> [(step, value)] in order of steps; cells that are empty or not finite are gaps."""
    curves: dict[str, dict[float, float]] = {}
    if not path.is_file():
        return {}
    # A line longer than csv's limit is none of ours; what stands before it is shown.
    with path.open(encoding="utf-8", errors="replace", newline="") as lines, contextlib.suppress(csv.Error):
        for row in csv.DictReader(line.replace("\0", "") for line in lines):
            step = _cell(row.pop("step", None))
            for column, cell in row.items():
                value = _cell(cell)
                if column is not None and math.isfinite(step) and math.isfinite(value):
                    # A resumed run repeats steps; what was written last is what the model kept.
                    curves.setdefault(column, {})[step] = value
    return {column: sorted(points.items()) for column, points in curves.items()}


def _cell(text: object) -> float:
    try:
        return float(text) if isinstance(text, str) else math.nan
    except ValueError:
        return math.nan
