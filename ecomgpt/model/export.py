"""A trained model as a Hugging Face folder: safetensors, tokenizer, generation config and a model card."""

import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ecomgpt.config.schema import Config, TuningConfig
from ecomgpt.rundir import Run
from ecomgpt.tuning.apply import apply_tuning, merge_adapters

SHARD = "5GB"


def export(
    model: PreTrainedModel,
    weights: dict[str, torch.Tensor],
    tokenizer: PreTrainedTokenizerFast,
    run: Run,
    config: Config,
    dtype: torch.dtype | None = None,
) -> Path:
    """Writes ``model/`` in one step: it is whole or not there.

    Args:
        model: Gives class and configuration; adapters in it are merged.
        weights: All weights, as the strategy gathered them.
        tokenizer: The tokenizer of the run.
        run: Whose ``model/`` is written.
        config: The run's configuration, for the card.
        dtype: Number format of the file; None keeps that of the weights.

    Returns:
        The folder.
    """
    plain = materialised(model, weights, config.tuning)
    if dtype is not None:
        plain = plain.to(dtype=dtype)  # type: ignore[call-arg]
    run.path.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=run.path, prefix=".model."))
    try:
        with _quietly():
            plain.save_pretrained(temporary, max_shard_size=SHARD)
        tokenizer.save_pretrained(temporary)
        (temporary / "README.md").write_text(card(run, config), encoding="utf-8")
        if run.model.exists():
            shutil.rmtree(run.model)
        temporary.chmod(0o755)
        temporary.replace(run.model)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return run.model


def materialised(model: PreTrainedModel, weights: dict[str, torch.Tensor], tuning: TuningConfig) -> PreTrainedModel:
    """The model with whole weights on the CPU, adapters merged and embeddings tied again."""
    own = dict(model.state_dict())
    sharded = any(type(value) is not torch.Tensor and hasattr(value, "full_tensor") for value in own.values())
    if sharded or any(value.numel() == 0 for value in own.values()):
        model = apply_tuning(type(model)(model.config), tuning)
    tied = set(getattr(model, "_tied_weights_keys", None) or ())
    lost = set(model.load_state_dict(weights, strict=False).missing_keys) - tied
    if lost:
        raise RuntimeError(f"the checkpoint lacks {len(lost)} weights, the first is {min(lost)}")
    model = merge_adapters(model)
    model.tie_weights()
    return model


def card(run: Run, config: Config) -> str:
    """The model card, with how the model came to be."""
    manifest = _read(run.manifest_file)
    environment = _read(run.path / "environment.json")
    lines = [
        "---", "library_name: transformers", "pipeline_tag: text-generation", "language: [en, zh]",
        f"base_model: {config.model.path or config.model.name}", "tags: [e-commerce, instruction-tuning, ecomgpt]", "---", "",
        f"# {config.model.name}, instruction-tuned on e-commerce tasks", "",
        f"Trained with ecomgpt on the mixture `{config.data.name}`: {manifest.get('examples', 0):,} examples of "
        f"{len(manifest.get('tasks', []))} tasks (fingerprint `{manifest.get('fingerprint')}`).", "",
        f"- command: `{environment.get('command')}`", f"- commit: {environment.get('git_commit')}",
        f"- seed: {config.seed}", f"- tuning: {config.tuning.name}", "",
        "## Prompt", "", "```", "Below is an instruction that describes the <task> task. Write a response that appropriately completes the request.",
        "### Instruction:", "<input text>", "<instruction>", "### Response:", "```", "",
        "The answer follows directly after `### Response:`.", "", "## Licence", "",
        "The backbone's licence and the licences of the training data apply. Datasets:", "",
        *(f"- {name}" for name in manifest.get("sources", {})), "",
    ]
    return "\n".join(lines)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without a progress bar of one step, and without DeepSpeed, which saving would import only to find it not in use."""
    from transformers.utils import logging

    hide = "deepspeed" not in sys.modules
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    if hide:
        sys.modules["deepspeed"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hide:
            del sys.modules["deepspeed"]
        if shown:
            logging.enable_progress_bar()


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
