"""job=evaluate: answers a suite's questions and scores the answers, beside the untrained model and simple baselines."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecomgpt.common.files import read_json, write_json
from ecomgpt.config.schema import Config
from ecomgpt.data.instructions import catalog
from ecomgpt.eval.answering import answer_suite, collect, unanswered
from ecomgpt.eval.backends import Backend, ModelSpec, backend
from ecomgpt.eval.backends.predictions import Predictions
from ecomgpt.eval.results import baselines, changes, results, settings
from ecomgpt.eval.reuse import Reuse
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.suite import Suite
from ecomgpt.eval.trained import Trained
from ecomgpt.eval.variants import with_variants
from ecomgpt.job import report
from ecomgpt.runtime.directory import Run, trained_run
from ecomgpt.runtime.process_group import run_group

if TYPE_CHECKING:
    from ecomgpt.data.prepared import Prepared

UNTRAINED = "untrained"
"""Folder in ``predictions/`` for the answers of the model before training."""


def main(config: Config, run: Run) -> None:
    """Evaluates a trained run (``run=<dir>``) or a backbone as it is, and reports."""
    config, model, manifest, training = resolve_subject(config)
    if manifest:
        # Copied, so that the evaluation knows what its model was trained on even if the training run is deleted.
        write_json(run.manifest_file, manifest)
        write_json(run.training_file, training)
    evaluate(config, run, model, None, manifest, training)
    report.write(run)


def resolve_subject(config: Config) -> tuple[Config, Backend, dict[str, Any], dict[str, Any]]:
    """Finds what job=evaluate evaluates: a trained run's model, a backbone as it is, or answers made elsewhere.

    Returns:
        The configuration with the data that the model was trained on, the backend, the mixture's manifest and facts
        of the training; the last two are empty for a backbone.
    """
    origin = trained_run(config.run) if config.run else None
    if config.model.source == "predictions":
        origin = Run(Path(config.model.path or "").expanduser())
    manifest: dict[str, Any] = {}
    training: dict[str, Any] = {}
    if origin:
        config, manifest, training = training_provenance(config, origin)
    return config, backend(ModelSpec(config, origin.model if config.run and origin else None)), manifest, training


def after_training(config: Config, run: Run, mixture: "Prepared") -> None:
    """Evaluates the run's own model, and the same backbone untrained."""
    after, before = trained_and_untrained(config, run, lambda: mixture)
    evaluate(config, run, after, before, mixture.manifest, read_json(run.training_file))


def trained_and_untrained(
    config: Config, run: Run, mixture: "Callable[[], Prepared]"
) -> tuple[Backend, Backend | None]:
    """The backends of job=run: the trained model and, unless ``eval.untrained=false``, the untrained one."""
    before = backend(ModelSpec(config, tokenizer=lambda: mixture().tokenizer)) if config.eval.untrained else None
    return backend(ModelSpec(config, run.model)), before


def evaluate(
    config: Config, run: Run, model: Backend, before: Backend | None, manifest: dict[str, Any], training: dict[str, Any]
) -> None:
    """Answers, scores and writes ``predictions/`` and ``metrics.json``.

    Args:
        config: The checked configuration.
        run: Where to write.
        model: The backend that is evaluated.
        before: The same model before training, scored as well.
        manifest: The manifest of the mixture that the model was trained on; empty for a backbone.
        training: Facts of the training, for the record.
    """
    with run.stage("evaluate"):
        suite = with_variants(config, manifest, _ranks(model))
        if isinstance(model, Predictions):
            model.check(suite, run.path / "questions")
        passes = _passes(run, model, before)
        known = [(folder, reuse) for folder, one in passes if (reuse := Reuse.of(one))]
        recalled = sum(reuse.recall(suite, folder) for folder, reuse in known)
        if recalled:
            print(f"  {recalled} tasks were answered before by the same untrained model", flush=True)
        if config.trainer.devices > 1 and model.shards and unanswered(suite, passes):
            run_group(config, run, "ecomgpt.job.evaluate:worker")
        else:
            answer_suite(suite, passes)
        after = collect(suite, run.predictions, model)
        first = collect(suite, run.predictions / UNTRAINED, before) if before else None
        for folder, reuse in known:
            reuse.keep(suite, folder)
        described = {"model": model.name, **settings(config), **model.settings()}
        write_json(run.metrics_file, scored(config, suite, after, first, manifest, training, described))


def worker(config: Config, run: Run) -> None:
    """One process of a group: answers its share of the rows."""
    from ecomgpt.job.mixture import prepared

    if config.job.name == "run":
        model, before = trained_and_untrained(config, run, lambda: prepared(config))
        manifest = read_json(run.manifest_file)
    else:
        config, model, manifest, _ = resolve_subject(config)
        before = None
    answer_suite(with_variants(config, manifest, _ranks(model)), _passes(run, model, before))


def _ranks(model: Backend) -> bool:
    return getattr(model, "ranks", False)


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
    trained = Trained.of(manifest, catalog(config.sources, config.paths.conf, None)) if manifest else None
    metrics = results(suite, after, trained)
    if before is not None:
        metrics["untrained"] = results(suite, before, None)
        metrics["changes"] = changes(before, after, suite)
    if config.eval.baselines:
        metrics["baselines"] = baselines(suite)
    cut = [answer.cut for answers in after.values() for answer in answers if answer.cut]
    return {**metrics, "training": training, "settings": {**described, "cut_prompts": len(cut), "cut_tokens": sum(cut)}}


def training_provenance(config: Config, run: Run) -> tuple[Config, dict[str, Any], dict[str, Any]]:
    """What a run's model was trained on.

    Returns:
        The configuration with the ``data`` and ``sources`` of the training, which decide what rows were held out, the
        mixture's manifest and facts of the training; unchanged and empty for a model that this project did not train.
    """
    manifest = read_json(run.manifest_file)
    if not manifest:
        return config, {}, {}
    own = run.config()
    if own.run and (origin := Run(Path(own.run))).config_file.is_file():  # An evaluation of a trained run.
        own = origin.config()
    return dataclasses.replace(config, data=own.data, sources=own.sources), manifest, read_json(run.training_file)
