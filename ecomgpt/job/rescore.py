"""job=rescore: scores the predictions of a finished evaluation again, in place and without a model."""

import json
from pathlib import Path
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import read_json, write_json
from ecomgpt.config.schema import Config
from ecomgpt.eval.predictions import damage, finish
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.suite import Suite
from ecomgpt.eval.variants import RANKED, with_variants
from ecomgpt.job import report
from ecomgpt.job.evaluate import UNTRAINED, scored, training_provenance
from ecomgpt.runtime.directory import Run, idle_run


def main(config: Config, run: Run) -> None:
    """Rewrites ``metrics.json`` and the report of the run by its own configuration."""
    metrics = rescore(run)
    same = json.dumps(metrics) == json.dumps(read_json(run.metrics_file))
    write_json(run.metrics_file, metrics)
    print(f"{run.metrics_file}: {'the same as before' if same else 'changed'}")
    report.main(config, run)


def rescore(run: Run) -> dict[str, Any]:
    """The contents of ``metrics.json`` from the predictions.

    Raises:
        UserError: If the evaluation is not finished, or its questions are no longer those that were answered.
    """
    config = idle_run(str(run.path)).config()
    old = read_json(run.metrics_file)
    if not old:
        raise UserError(
            f"run: '{run.path}' holds no metrics.json: its evaluation is not finished; "
            "the command that started it continues it"
        )
    config, manifest, training = training_provenance(config, run)
    suite = with_variants(config, manifest, ranks=(run.predictions / RANKED).is_dir())
    after = _answers(suite, run.predictions)
    before = _answers(suite, run.predictions / UNTRAINED) if "untrained" in old else None
    return scored(config, suite, after, before, manifest, training, old["settings"])


def _answers(suite: Suite, folder: Path) -> dict[str, list[Answer]]:
    broken: list[str] = []
    for task, _ in suite:
        file = folder / f"{task.name}.jsonl"
        problems, changed = damage(file)
        broken += problems
        if changed:
            print(f"{file}: {changed:,} answers are not those that the model gave; what stands there is scored")
    if broken:
        raise UserError(*broken[:20], advice=["The files are damaged: evaluate again under another name="])
    try:
        return {task.name: finish(folder / f"{task.name}.jsonl", rows) for task, rows in suite}
    except RuntimeError as error:
        raise UserError(
            f"{error}; the data or declarations have changed since, so evaluate again under another name="
        ) from None
