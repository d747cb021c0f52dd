"""job=export: a run's newest checkpoint in Hugging Face format, or a suite for lm-evaluation-harness.

The model goes to ``<run>/model``, adapters alone (``merge=false``) to ``<run>/adapter``.
"""

import dataclasses
from pathlib import Path
from typing import Any

import torch

from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import Config
from ecomgpt.job.mixture import prepared
from ecomgpt.model.export import export, export_adapter
from ecomgpt.model.hub import push, require_token
from ecomgpt.model.loading import load_model, read_model, read_tokenizer
from ecomgpt.runtime.directory import Run
from ecomgpt.trainer.stored import language_model_weights, newest_readable
from ecomgpt.tuning.apply import apply_tuning


def main(config: Config, run: Run | None) -> None:
    """Exports, verifies and, with ``push_to``, uploads; writes a finished run's model again in the requested format."""
    if config.format == "lm_eval":
        return export_tasks(config, run)
    assert run is not None  # A rule of the configuration.
    if config.push_to:
        require_token(config.push_to)
    trained = run.config()
    folder = _model(run, trained, getattr(torch, config.dtype)) if config.merge else _adapter(run, trained)
    print(f"Exported to {folder}; transformers reads the same model from it")
    if config.push_to:
        print(f"Uploaded to {push(folder, config.push_to)}")


def _model(run: Run, trained: Config, dtype: torch.dtype) -> Path:
    found = newest_readable(run.checkpoints)
    if found:
        tokenizer = _tokenizer(run, trained)
        model = apply_tuning(_backbone(trained, tokenizer), trained.tuning)
        return export(model, language_model_weights(found, model), tokenizer, run, trained, dtype)
    if run.model.is_dir():
        model = read_model(run.model)
        return export(model, model.state_dict(), read_tokenizer(run.model), run, trained, dtype)
    raise UserError(f"run: '{run.path}' holds neither checkpoints nor a model; train it first")


def _adapter(run: Run, trained: Config) -> Path:
    if trained.tuning.name != "lora":
        raise UserError(
            f"merge=false: '{run.path}' was trained with tuning={trained.tuning.name}, so it has no adapters; "
            "leave merge out"
        )
    found = newest_readable(run.checkpoints)
    if found is None:
        raise UserError(
            f"merge=false: '{run.path}' holds no checkpoint any more, and in its model/ the adapters are merged"
        )
    tokenizer = _tokenizer(run, trained)
    model = apply_tuning(_backbone(trained, tokenizer), trained.tuning)
    weights = language_model_weights(found, model)
    return export_adapter(model, _backbone(trained, tokenizer), weights, tokenizer, run, trained)


def _backbone(trained: Config, tokenizer: Any) -> Any:
    return load_model(trained.model, trained.paths.models, tokenizer, trained.seed)


def _tokenizer(run: Run, trained: Config) -> Any:
    """The run's tokenizer: the exported one, or the one that its mixture gives."""
    if (run.model / "tokenizer.json").is_file():
        return read_tokenizer(run.model)
    return prepared(trained).tokenizer


def export_tasks(config: Config, run: Run | None) -> None:
    """Writes the suite that ``eval=`` names, or that of a run, with the prompts that the run was given."""
    from ecomgpt.eval.harness import export_suite
    from ecomgpt.eval.suite import load_suite
    from ecomgpt.job.evaluate import training_provenance

    manifest: dict[str, Any] = {}
    tokenizer = None
    folder = Path(config.paths.output or "./outputs").expanduser() / (config.name or config.eval.name) / "lm_eval"
    if run:
        own = run.config()
        config, manifest, _ = training_provenance(dataclasses.replace(own, paths=config.paths), run)
        folder = run.path / "lm_eval"
        model = Path(own.run) / run.model.name if own.run else run.model
        tokenizer = read_tokenizer(model) if (model / "tokenizer.json").is_file() else None
    suite = load_suite(config, manifest)
    if not suite:
        raise UserError(f"eval={config.eval.name} has no tasks to export; choose a suite with eval=<suite>")
    cut = export_suite(suite, folder, config, tokenizer)
    print(f"Exported {len(suite)} tasks to {folder}" + (f"; {cut} inputs were cut to fit" if cut else ""))
