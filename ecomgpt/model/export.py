"""A trained model as a Hugging Face folder: safetensors, tokenizer, generation config and a model card; read again before it counts."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ecomgpt.config.schema import Config, TuningConfig
from ecomgpt.model.card import card
from ecomgpt.model.verify import compare, logits, verify
from ecomgpt.run.directory import Run
from ecomgpt.tuning.apply import apply_tuning, merge_adapters

SHARD = "5GB"
ADAPTER = "adapter"
"""The folder of a run where adapters lie that were not merged."""


def export(
    model: PreTrainedModel,
    weights: dict[str, torch.Tensor],
    tokenizer: PreTrainedTokenizerFast,
    run: Run,
    config: Config,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Writes ``model/`` in one step: it is whole and says what the model says, or it is not there.

    Args:
        model: Gives class and configuration; adapters in it are merged.
        weights: All weights, as the strategy gathered them.
        tokenizer: The tokenizer of the run.
        run: Whose ``model/`` is written.
        config: The run's configuration, for the card.
        dtype: Number format of the file.

    Returns:
        The folder.

    Raises:
        JobFailure: If transformers reads something else from it.
    """
    plain = materialised(model, weights, config.tuning).to(device="cpu", dtype=dtype)  # type: ignore[call-arg]
    with _aside(run.model) as folder, _quietly():
        plain.save_pretrained(folder, max_shard_size=SHARD)
        tokenizer.save_pretrained(folder)
        (folder / "README.md").write_text(card(run, config), encoding="utf-8")
        verify(folder, plain, tokenizer, dtype)
    return run.model


def export_adapter(
    model: PreTrainedModel,
    base: PreTrainedModel,
    weights: dict[str, torch.Tensor],
    tokenizer: PreTrainedTokenizerFast,
    run: Run,
    config: Config,
) -> Path:
    """Writes the adapters alone as a peft folder, ``adapter/``, which is put on the backbone again before it counts.

    A backbone that was built and not loaded lies nowhere else, so it comes with them, in ``adapter/backbone``.

    Args:
        model: The backbone with adapters.
        base: The backbone without.
        weights: All weights of a checkpoint.
        tokenizer: The tokenizer of the run.
        run: Whose ``adapter/`` is written.
        config: The run's configuration.

    Returns:
        The folder.

    Raises:
        JobFailure: If peft makes another model of it.
    """
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors.torch import save_file

    _load(model, weights)
    settings: Any = model.peft_config["default"]
    settings.task_type, settings.inference_mode = "CAUSAL_LM", True
    folder = run.path / ADAPTER
    built = config.model.source == "build"
    settings.base_model_name_or_path = str(folder / "backbone") if built else config.model.path
    ours = logits(model, tokenizer)
    with _aside(folder) as aside, _quietly():
        own = {
            f"base_model.model.{name}": value.contiguous()
            for name, value in get_peft_model_state_dict(model, save_embedding_layers=False).items()
        }
        save_file(own, aside / "adapter_model.safetensors", metadata={"format": "pt"})
        settings.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
        (aside / "README.md").write_text(card(run, config, adapter=True), encoding="utf-8")
        if built:
            base.save_pretrained(aside / "backbone", max_shard_size=SHARD)
            tokenizer.save_pretrained(aside / "backbone")
        compare(ours, logits(PeftModel.from_pretrained(base, aside), tokenizer), torch.float32, aside)
    return folder


def materialised(model: PreTrainedModel, weights: dict[str, torch.Tensor], tuning: TuningConfig) -> PreTrainedModel:
    """The model with whole weights on the CPU, adapters merged and embeddings tied again."""
    own = dict(model.state_dict())
    sharded = any(type(value) is not torch.Tensor and hasattr(value, "full_tensor") for value in own.values())
    if sharded or any(value.numel() == 0 for value in own.values()):
        model = apply_tuning(type(model)(model.config), tuning)
    _load(model, weights)
    model = merge_adapters(model)
    model.tie_weights()
    return model


def _load(model: PreTrainedModel, weights: dict[str, torch.Tensor]) -> None:
    tied = set(getattr(model, "_tied_weights_keys", None) or ())
    lost = set(model.load_state_dict(weights, strict=False).missing_keys) - tied
    if lost:
        raise RuntimeError(f"the checkpoint lacks {len(lost)} weights, the first is {min(lost)}")


@contextlib.contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    """A folder that takes the place of ``folder`` when the block has ended well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        temporary.chmod(0o755)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
