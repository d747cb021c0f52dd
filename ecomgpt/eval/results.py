"""The contents of ``metrics.json``: scores by task, averages, baselines, and what training changed."""

from collections.abc import Mapping, Sequence
from typing import Any

from ecomgpt.config.schema import Config
from ecomgpt.eval.baselines import BASELINES
from ecomgpt.eval.baselines import baselines as of_task
from ecomgpt.eval.metrics_file import DIGITS, RANKED_ACCURACY, TaskResult
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.score import score
from ecomgpt.eval.statistics.averages import averages
from ecomgpt.eval.statistics.counts import counts
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
    own = [task for task, _ in suite if not task.varies]
    scores = {task.name: score(task, answers[task.name]) for task in own}
    ways: dict[str, list[float]] = {}
    for task, _ in suite:
        base = scores.get(task.varies)
        if base is not None and task.decoding == "rank":
            base.counts[RANKED_ACCURACY] = counts([answers[task.name]], "accuracy")[0]
        elif base is not None:
            again = counts([answers[task.name]], base.primary)[0].value
            ways.setdefault(task.varies, [base.values[base.primary]]).append(again)
    tasks: dict[str, dict[str, Any]] = {}
    for task in own:
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
            wordings=[round(value, DIGITS) for value in ways.get(task.name, [])],
        ).as_json()
    return {"tasks": tasks, "averages": averages(own, scores, trained)}


def baselines(suite: Suite) -> dict[str, dict[str, dict[str, float]]]:
    """Values of the answers that need no model: ``{baseline: {task: {metric: value}}}``."""
    found: dict[str, dict[str, dict[str, float]]] = {name: {} for name in BASELINES}
    for task, rows in _own(suite):
        for name, values in of_task(task, rows, QUESTIONS_SEED).items():
            found[name][task.name] = {metric: round(value, DIGITS) for metric, value in values.items()}
    return found


def changes(before: Answers, after: Answers, suite: Suite) -> dict[str, dict[str, Any]]:
    """What training changed on each task: paired by row, p-values Holm-corrected over the tasks."""
    primary = {task.name: task.metric_names(rows[0].kind, rows[0].form)[0] for task, rows in _own(suite)}
    found = compare({name: before[name] for name in primary}, after, primary)
    return {task: {"metric": one.metric, **one.change.as_json()} for task, one in found.items()}


def _own(suite: Suite) -> Suite:
    """Without the variants."""
    return [(task, rows) for task, rows in suite if not task.varies]


def settings(config: Config) -> dict[str, Any]:
    """What scores depend on beside the model and how it answers."""
    keys = ("limit", "candidates", "max_candidates", "ranked", "wordings")
    own = {key: getattr(config.eval, key) for key in keys}
    return {"suite": config.eval.name, **own, "questions_seed": QUESTIONS_SEED, "seed": config.seed}
