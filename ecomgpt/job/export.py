"""job=export: a run's newest checkpoint as a Hugging Face folder, ``<run>/model``."""

import torch

from ecomgpt.config.schema import Config
from ecomgpt.data.build import prepare
from ecomgpt.errors import UserError
from ecomgpt.job.build import protection
from ecomgpt.model.backbone import load_model, load_tokenizer, read_model, read_tokenizer
from ecomgpt.model.export import export
from ecomgpt.rundir import Run, existing_run
from ecomgpt.trainer.stored import language_model_weights, newest_readable
from ecomgpt.tuning.apply import apply_tuning


def main(config: Config, run: Run) -> None:
    """Exports; a finished run's model is written again in the wanted number format."""
    _, trained = existing_run(str(run.path))
    dtype = getattr(torch, config.dtype)
    found = newest_readable(run.checkpoints)
    if found:
        texts = prepare(trained, protection(trained), lambda texts: load_tokenizer(trained, texts))
        model = apply_tuning(load_model(trained, texts.tokenizer), trained.tuning)
        folder = export(model, language_model_weights(found, model), texts.tokenizer, run, trained, dtype)
    elif run.model.is_dir():
        model = read_model(run.model)
        folder = export(model, model.state_dict(), read_tokenizer(run.model), run, trained, dtype)
    else:
        raise UserError(f"run: '{run.path}' holds neither checkpoints nor a model; train it first")
    print(f"Exported to {folder}")
