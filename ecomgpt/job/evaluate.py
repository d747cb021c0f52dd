"""job=evaluate: answers the suite's questions, scores the answers, and the model before training and simple baselines beside them."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecomgpt.common.files import read_json, write_json
from ecomgpt.config.schema import Config
from ecomgpt.eval.answering import answer_suite, collect, unanswered
from ecomgpt.eval.backends import Backend, Subject, backend
from ecomgpt.eval.backends.predictions import Predictions
from ecomgpt.eval.results import baselines, changes, results, settings
from ecomgpt.eval.reuse import Reuse
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.suite import Suite, load_suite
from ecomgpt.eval.trained import Trained
from ecomgpt.run.directory import Run, existing_run, trained_run

if TYPE_CHECKING:
    from ecomgpt.data.prepared import Prepared

UNTRAINED = "untrained"
"""Folder in ``predictions/`` for the answers of the model before training."""


def main(config: Config, run: Run) -> None:
    """Evaluates a trained run (``run=<dir>``) or a backbone as it is, and reports."""
    from ecomgpt.job import report

    config, model, manifest, training = untouched(config)
    if manifest:
        # The run says of its own what its model was trained on, wherever that one goes.
        write_json(run.manifest_file, manifest)
        write_json(run.training_file, training)
    evaluate(config, run, model, None, manifest, training)
    report.write(run)


def untouched(config: Config) -> tuple[Config, Backend, dict[str, Any], dict[str, Any]]:
    """What job=evaluate answers with: the configuration with what the model was trained on, the backend, the mixture's
    manifest and facts of the training; both are empty for a backbone."""
    origin = trained_run(config.run) if config.run else None
    if config.model.source == "predictions":
        origin = Run(Path(config.model.path or "").expanduser())
    manifest: dict[str, Any] = {}
    training: dict[str, Any] = {}
    if origin:
        config, manifest, training = trained_as(config, origin)
    return config, backend(Subject(config, origin.model if config.run and origin else None)), manifest, training


def after_training(config: Config, run: Run, mixture: "Prepared") -> None:
    """Evaluates the run's own model, and the same backbone untrained."""
    after, before = trained(config, run, lambda: mixture)
    evaluate(config, run, after, before, mixture.manifest, read_json(run.training_file))


def trained(config: Config, run: Run, mixture: "Callable[[], Prepared]") -> tuple[Backend, Backend | None]:
    """What job=run answers with, after training and before it."""
    before = backend(Subject(config, tokenizer=lambda: mixture().tokenizer)) if config.eval.untrained else None
    return backend(Subject(config, run.model)), before


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
        suite = load_suite(config, manifest)
        if isinstance(model, Predictions):
            model.check(suite, run.path / "questions")
        passes = _passes(run, model, before)
        known = [(folder, reuse) for folder, one in passes if (reuse := Reuse.of(one))]
        recalled = sum(reuse.recall(suite, folder) for folder, reuse in known)
        if recalled:
            print(f"  {recalled} tasks were answered before by the same untrained model", flush=True)
        if config.trainer.devices > 1 and model.shards and unanswered(suite, passes):
            from ecomgpt.run.process_group import run_group

            run_group(config, run, "ecomgpt.job.evaluate:worker")
        else:
            answer_suite(suite, passes)
        after = collect(suite, run.predictions)
        first = collect(suite, run.predictions / UNTRAINED) if before else None
        for folder, reuse in known:
            reuse.keep(suite, folder)
        described = {"model": model.name, **settings(config), **model.settings()}
        write_json(run.metrics_file, scored(config, suite, after, first, manifest, training, described))


def worker(config: Config, run: Run) -> None:
    """One process of a group: answers its share of the rows."""
    from ecomgpt.data.pipeline import prepare
    from ecomgpt.eval.protection import protection
    from ecomgpt.model.tokenizer import tokenizer_of

    before = None
    if config.job.name == "run":
        mixture = lambda: prepare(config, protection(config), tokenizer_of(config))  # noqa: E731
        model, before = trained(config, run, mixture)
        manifest = read_json(run.manifest_file)
    else:
        config, model, manifest, _ = untouched(config)
    answer_suite(load_suite(config, manifest), _passes(run, model, before))


def _passes(run: Run, model: Backend, before: Backend | None) -> list[tuple[Path, Backend]]:
    return [(run.predictions, model), *([(run.predictions / UNTRAINED, before)] if before else [])]


def scored(
    config: Config,
    suite: Suite,
    after: dict[str, list[Answer]],
    before: dict[str, list[Answer]] | None,
    manifest: Mapping[str, Any],
    training: Mapping[str, Any],
    described: Mapping[str, Any],
) -> dict[str, Any]:
    """The contents of ``metrics.json``, from answers alone."""
    from ecomgpt.data.instructions import catalog

    trained = Trained.of(manifest, catalog(config, None)) if manifest else None
    metrics = results(suite, after, trained, config.eval.bootstrap)
    if before is not None:
        metrics["untrained"] = results(suite, before, None, config.eval.bootstrap)
        metrics["changes"] = changes(before, after, suite)
    if config.eval.baselines:
        metrics["baselines"] = baselines(suite)
    cut = [answer.cut for answers in after.values() for answer in answers if answer.cut]
    return {**metrics, "training": training, "settings": {**described, "cut_prompts": len(cut), "cut_tokens": sum(cut)}}


def trained_as(config: Config, run: Run) -> tuple[Config, dict[str, Any], dict[str, Any]]:
    """What is known of the training of a run's model.

    Which rows training kept aside is for the configuration to say that the model was trained with.

    Returns:
        The configuration with the ``data`` and ``sources`` of the training, the mixture's manifest and facts of the training;
        unchanged and empty for a model that this project did not train.
    """
    manifest = read_json(run.manifest_file)
    if not manifest:
        return config, {}, {}
    its = existing_run(str(run.path))[1]
    if its.run and (Path(its.run) / run.config_file.name).is_file():  # An evaluation of a trained run.
        its = existing_run(its.run)[1]
    return dataclasses.replace(config, data=its.data, sources=its.sources), manifest, read_json(run.training_file)
