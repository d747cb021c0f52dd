"""The contents of ``metrics.json``: scores by task, averages, baselines, and what training changed."""

from collections.abc import Mapping, Sequence
from typing import Any

from ecomgpt.config.schema import Config
from ecomgpt.eval.baselines import BASELINES
from ecomgpt.eval.baselines import baselines as of_task
from ecomgpt.eval.metrics_file import DIGITS, TaskResult
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.score import score
from ecomgpt.eval.statistics.averages import averages
from ecomgpt.eval.statistics.paired import compare
from ecomgpt.eval.suite import QUESTIONS_SEED, Suite
from ecomgpt.eval.trained import Trained

Answers = Mapping[str, Sequence[Answer]]


def results(suite: Suite, answers: Answers, trained: Trained | None) -> dict[str, Any]:
    """Scores by task with what a reader must know of the task, and averages.

    Args:
        suite: The tasks.
        answers: By task.
        trained: What the model was trained on; None where it is unknown.
    """
    scores = {task.name: score(task, answers[task.name]) for task, _ in suite}
    tasks: dict[str, dict[str, Any]] = {}
    for task, _ in suite:
        points = vars(task.published) if task.published else {}
        one = scores[task.name]
        tasks[task.name] = TaskResult(
            name=task.name,
            n=one.n,
            primary=one.primary,
            metrics=one.metrics,
            title=task.title,
            language=task.language,
            family=task.family,
            published={name: value for name, value in points.items() if value is not None},
            relation=trained.relation(task) if trained else "",
        ).as_json()
    return {"tasks": tasks, "averages": averages([task for task, _ in suite], scores, trained)}


def baselines(suite: Suite) -> dict[str, dict[str, dict[str, float]]]:
    """Values of the answers that need no model: ``{baseline: {task: {metric: value}}}``."""
    found: dict[str, dict[str, dict[str, float]]] = {name: {} for name in BASELINES}
    for task, rows in suite:
        for name, values in of_task(task, rows, QUESTIONS_SEED).items():
            found[name][task.name] = {metric: round(value, DIGITS) for metric, value in values.items()}
    return found


def changes(before: Answers, after: Answers, suite: Suite) -> dict[str, dict[str, Any]]:
    """What training changed on each task: paired by row, p-values Holm-corrected over the tasks."""
    primary = {task.name: task.metric_names(rows[0].kind, rows[0].form)[0] for task, rows in suite}
    found = compare(before, after, primary)
    return {task: {"metric": one.metric, **one.change.as_json()} for task, one in found.items()}


def settings(config: Config) -> dict[str, Any]:
    """What scores depend on beside the model and how it answers."""
    keys = ("limit", "candidates", "max_candidates")
    own = {key: getattr(config.eval, key) for key in keys}
    return {"suite": config.eval.name, **own, "questions_seed": QUESTIONS_SEED, "seed": config.seed}
