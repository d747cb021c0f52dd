"""job=evaluate: answers the suite's questions, scores the answers, and the model before training and simple baselines beside them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecomgpt.config.schema import Config
from ecomgpt.eval.averages import averages, split_of
from ecomgpt.eval.baselines import BASELINES, baseline
from ecomgpt.eval.predictions import Backend, predict
from ecomgpt.eval.rows import Answer, EvalRow
from ecomgpt.eval.score import TaskScore, score
from ecomgpt.eval.task import EvalTask, load_eval_tasks
from ecomgpt.progress import track
from ecomgpt.rundir import Run, existing_run, log, read_json, write_json

if TYPE_CHECKING:
    import torch

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
        evaluate(config, run, _Model.exported(trained.model, config), None, manifest, read_json(trained.path / "training.json"))
    else:
        evaluate(config, run, _Model.backbone(config, None), None, {}, {})
    report.write(run)


def after_training(config: Config, run: Run, mixture: "Prepared") -> None:
    """Evaluates the run's own model, and the same backbone untrained."""
    before = _Model.backbone(config, mixture) if config.eval.untrained else None
    evaluate(config, run, _Model.exported(run.model, config), before, mixture.manifest, read_json(run.path / "training.json"))


def evaluate(
    config: Config, run: Run, model: "_Model", before: "_Model | None", manifest: dict[str, Any], training: dict[str, Any]
) -> None:
    """Answers, scores and writes ``predictions/`` and ``metrics.json``.

    Args:
        config: What to evaluate and how.
        run: Where to write.
        model: The model.
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


class _Model:
    """A model that is loaded when it is first needed: scoring finished predictions again needs none."""

    def __init__(self, name: str, load: Callable[["torch.dtype"], tuple[Any, Any]], config: Config) -> None:
        self.name, self._load, self.config = name, load, config
        self._loaded: tuple[Any, Any] | None = None

    @classmethod
    def exported(cls, folder: Path, config: Config) -> "_Model":
        """A model in a run directory."""
        from ecomgpt.model.backbone import read_model, read_tokenizer

        return cls(str(folder), lambda dtype: (read_model(folder, dtype), read_tokenizer(folder)), config)

    @classmethod
    def backbone(cls, config: Config, mixture: "Prepared | None") -> "_Model":
        """The backbone before training; one that is built from nothing takes the mixture's tokenizer."""
        from ecomgpt.model.backbone import load_model, load_tokenizer

        def load(dtype: "torch.dtype") -> tuple[Any, Any]:
            tokenizer = mixture.tokenizer if mixture else load_tokenizer(config)
            return load_model(config, tokenizer, dtype), tokenizer

        return cls(config.model.path or config.model.name, load, config)

    def backend(self, task: EvalTask) -> Backend:
        """Answers rows; the model comes into memory with the first call."""
        from ecomgpt.eval.decode import Decoding, transformers_backend

        settings = self.config.eval

        def answer(rows: Sequence[EvalRow]) -> Any:
            model, tokenizer = self.loaded()
            limit = min(task.max_new_tokens, settings.max_new_tokens or task.max_new_tokens)
            decoding = Decoding(
                limit, min(task.max_prompt_tokens, settings.max_prompt_tokens), settings.batch_tokens, settings.beams,
                settings.decoding == "rank",
            )
            return transformers_backend(model, tokenizer, decoding)(rows)

        return answer

    def loaded(self) -> tuple[Any, Any]:
        """Model and tokenizer, on the device."""
        if self._loaded is None:
            import torch

            from ecomgpt.strategy.build import on_gpu

            torch.set_grad_enabled(True)
            model, tokenizer = self._load(self.dtype())
            self._loaded = (model.to("cuda" if on_gpu(self.config) else "cpu").eval(), tokenizer)
        return self._loaded

    def dtype(self) -> "torch.dtype":
        """The number format of decoding: that of training."""
        import torch

        from ecomgpt.strategy.build import precision

        return {"b": torch.bfloat16, "1": torch.float16, "3": torch.float32}[precision(self.config)[0]]


def _score_all(config: Config, suite: Suite, model: _Model, folder: Path, what: str) -> dict[str, TaskScore]:
    answers: dict[str, list[Answer]] = {}
    for task, rows in track(suite, what, len(suite)):
        answers[task.name] = predict(folder / f"{task.name}.jsonl", rows, model.backend(task))
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


def _settings(config: Config, model: _Model) -> dict[str, Any]:
    """What scores depend on beside the model: scores move with batch size and padding in low precision."""
    settings = config.eval
    return {
        "suite": settings.name, "model": model.name, "decoding": settings.decoding, "beams": settings.beams,
        "limit": settings.limit, "batch_tokens": settings.batch_tokens, "max_prompt_tokens": settings.max_prompt_tokens,
        "max_new_tokens": settings.max_new_tokens, "candidates": settings.candidates, "max_candidates": settings.max_candidates,
        "dtype": str(model.dtype()).removeprefix("torch."), "padding": "left", "bootstrap": settings.bootstrap,
        "questions_seed": QUESTIONS_SEED, "seed": config.seed,
    }
