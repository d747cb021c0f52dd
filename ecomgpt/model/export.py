"""Exports a trained model as a verified Hugging Face folder: safetensors, tokenizer, generation config, model card."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ecomgpt.common.files import replacing_folder
from ecomgpt.common.sealed import seal
from ecomgpt.config.schema import Config, TuningConfig
from ecomgpt.model.card import card
from ecomgpt.model.verify import compare, logits, verify
from ecomgpt.runtime.directory import Run
from ecomgpt.tuning.apply import apply_tuning, merge_adapters

SHARD = "5GB"
ADAPTER = "adapter"
"""The folder of a run with adapters that were not merged."""


def export(
    model: PreTrainedModel,
    weights: dict[str, torch.Tensor],
    tokenizer: PreTrainedTokenizerFast,
    run: Run,
    config: Config,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Writes ``model/`` whole and verified, or not at all.

    Args:
        model: Has the class and configuration; its adapters are merged.
        weights: All weights, as the strategy gathered them.
        tokenizer: The run's tokenizer.
        run: The run whose ``model/`` is written.
        config: The run's configuration, for the card.
        dtype: Number format of the weights in the file.

    Returns:
        The folder.

    Raises:
        JobFailure: If transformers computes something else from it.
    """
    plain = materialised(model, weights, config.tuning).to("cpu")  # type: ignore[arg-type]
    for weight in plain.parameters():  # Not of buffers: rotary frequencies stay float32, as transformers loads them.
        weight.data = weight.data.to(dtype)
    with replacing_folder(run.model) as folder, _quietly():
        plain.save_pretrained(folder, max_shard_size=SHARD)
        tokenizer.save_pretrained(folder)
        (folder / "README.md").write_text(card(run, config), encoding="utf-8")
        verify(folder, plain, tokenizer, dtype)
        seal(folder, without=["README.md"])
    return run.model


def export_adapter(
    model: PreTrainedModel,
    base: PreTrainedModel,
    weights: dict[str, torch.Tensor],
    tokenizer: PreTrainedTokenizerFast,
    run: Run,
    config: Config,
) -> Path:
    """Writes the adapters alone as a peft folder, ``adapter/``, and verifies it on the backbone.

    A backbone that was built from its config exists nowhere else, so it is included, in ``adapter/backbone``.

    Args:
        model: The backbone with adapters.
        base: The backbone without.
        weights: All weights of a checkpoint.
        tokenizer: The run's tokenizer.
        run: The run whose ``adapter/`` is written.
        config: The run's configuration.

    Returns:
        The folder.

    Raises:
        JobFailure: If peft computes something else from it.
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
    with replacing_folder(folder) as aside, _quietly():
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
        seal(aside, without=["README.md"])
    return folder


def materialised(model: PreTrainedModel, weights: dict[str, torch.Tensor], tuning: TuningConfig) -> PreTrainedModel:
    """The model with its full weights on the CPU, adapters merged and embeddings tied."""
    own = model.state_dict().values()
    if any(hasattr(value, "full_tensor") or value.numel() == 0 for value in own):  # sharded by FSDP, or by ZeRO-3
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
def _quietly() -> Iterator[None]:
    """Hides the progress bar of one step, and DeepSpeed, which saving would import only to find it unused."""
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
