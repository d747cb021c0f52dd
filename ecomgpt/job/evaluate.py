"""job=evaluate: answers the suite's questions, scores the answers, and the model before training and simple baselines beside them."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecomgpt.config.schema import Config
from ecomgpt.eval.averages import averages, split_of
from ecomgpt.eval.backends import Backend, Subject, backend
from ecomgpt.eval.baselines import BASELINES, baseline
from ecomgpt.eval.predictions import predict
from ecomgpt.eval.rows import Answer, EvalRow
from ecomgpt.eval.score import TaskScore, score
from ecomgpt.eval.task import EvalTask, load_eval_tasks
from ecomgpt.progress import track
from ecomgpt.rundir import Run, existing_run, log, read_json, write_json

if TYPE_CHECKING:
    from ecomgpt.data.build import Prepared

QUESTIONS_SEED = 0
"""Wordings and candidates of evaluation rows: the same questions in every run, whatever the run's own seed."""

Suite = list[tuple[EvalTask, list[EvalRow]]]


def main(config: Config, run: Run) -> None:
    """Evaluates a trained run (``run=<dir>``) or a backbone as it is, and reports."""
    from ecomgpt.job import report

    if config.run:
        trained, _ = existing_run(config.run)
        manifest = read_json(trained.manifest_file)
        evaluate(config, run, backend(Subject(config, trained.model)), None, manifest, read_json(trained.path / "training.json"))
    else:
        evaluate(config, run, backend(Subject(config)), None, {}, {})
    report.write(run)


def after_training(config: Config, run: Run, mixture: "Prepared") -> None:
    """Evaluates the run's own model, and the same backbone untrained."""
    before = backend(Subject(config, tokenizer=lambda: mixture.tokenizer)) if config.eval.untrained else None
    after = backend(Subject(config, run.model))
    evaluate(config, run, after, before, mixture.manifest, read_json(run.path / "training.json"))


def evaluate(
    config: Config, run: Run, model: Backend, before: Backend | None, manifest: dict[str, Any], training: dict[str, Any]
) -> None:
    """Answers, scores and writes ``predictions/`` and ``metrics.json``.

    Args:
        config: What to evaluate and how.
        run: Where to write.
        model: Answers.
        before: The same model before training, to be scored too.
        manifest: Of the mixture that the model was trained on; empty for a backbone.
        training: Facts of the training, for the record.
    """
    with run.stage("evaluate"):
        suite = load_suite(config)
        scores = _score_all(config, suite, model, run.predictions, "answering")
        metrics: dict[str, Any] = _results(suite, scores, manifest)
        if before is not None:
            untrained = _score_all(config, suite, before, run.predictions / "untrained", "answering, untrained")
            metrics["untrained"] = _results(suite, untrained, {})
        if config.eval.baselines:
            metrics["baselines"] = {name: _baseline(name, suite) for name in BASELINES}
        metrics["training"] = training
        metrics["settings"] = _settings(config, model)
        write_json(run.metrics_file, metrics)


def load_suite(config: Config) -> Suite:
    """The suite's tasks with their rows."""
    from ecomgpt.data.instructions import test_instructions
    from ecomgpt.eval.suite import load_rows

    settings = config.eval
    return [
        (
            task,
            load_rows(
                task, Path(config.paths.data).expanduser(), seed=QUESTIONS_SEED, limit=settings.limit,
                candidates=settings.candidates, max_candidates=settings.max_candidates,
                instructions=lambda name: test_instructions(config, name, QUESTIONS_SEED),
            ),
        )
        for task in load_eval_tasks(settings.tasks, config.paths.conf)
    ]


def _score_all(config: Config, suite: Suite, model: Backend, folder: Path, what: str) -> dict[str, TaskScore]:
    answers: dict[str, list[Answer]] = {}
    for task, rows in track(suite, what, len(suite)):
        answers[task.name] = predict(folder / f"{task.name}.jsonl", rows, partial(model.answer, task))
        log.info("%s: %s, %d rows", what, task.name, len(rows))
    return {task.name: score(task, answers[task.name], config.eval.bootstrap) for task, _ in suite}


def _results(suite: Suite, scores: dict[str, TaskScore], manifest: dict[str, Any]) -> dict[str, Any]:
    """Scores by task with what a reader must know of the task, and averages."""
    families = {task["family"] for task in manifest.get("tasks", [])} if manifest else None
    datasets = {task["source"] for task in manifest.get("tasks", [])}
    tasks: dict[str, dict[str, Any]] = {}
    for task, _ in suite:
        published = {name: value for name, value in vars(task.published).items() if value is not None} if task.published else None
        tasks[task.name] = {
            **scores[task.name].as_json(), "title": task.title, "language": task.language, "family": task.family,
            **({"published": published} if published else {}),
            **({"relation": split_of(task, families, datasets)} if families is not None else {}),
        }
    return {"tasks": tasks, "averages": averages([task for task, _ in suite], scores, families, datasets)}


def _baseline(name: str, suite: Suite) -> dict[str, dict[str, float]]:
    results = {}
    for task, rows in suite:
        texts = baseline(name, rows, QUESTIONS_SEED)
        answers = [Answer(row, text) for row, text in zip(rows, texts, strict=True)]
        # Few resamples: a baseline is a point to hold a score against, its interval is not shown.
        results[task.name] = {metric: round(value, 6) for metric, value in score(task, answers, 2).values.items()}
    return results


def _settings(config: Config, model: Backend) -> dict[str, Any]:
    """What scores depend on beside the model."""
    settings = config.eval
    return {
        "suite": settings.name, "model": model.name, "limit": settings.limit, "candidates": settings.candidates,
        "max_candidates": settings.max_candidates, **model.settings(), "bootstrap": settings.bootstrap,
        "questions_seed": QUESTIONS_SEED, "seed": config.seed,
    }
