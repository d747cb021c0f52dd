"""Builds or loads a causal language model with its tokenizer."""

import contextlib
from functools import partial
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.utils import enable_progress_bars
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BloomConfig,
    BloomForCausalLM,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging

from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import Config
from ecomgpt.model.locate import require_weights

# Our own progress tells more than a bar for each file; a download of gigabytes shows how far it is.
logging.disable_progress_bar()
enable_progress_bars()


def load_tokenizer(config: Config) -> PreTrainedTokenizerFast:
    """The tokenizer that the backbone comes with.

    Raises:
        UserError: If the weights are absent or the tokenizer lacks what training needs.
    """
    return _tokenizer(require_weights(config), config)


def read_tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """The tokenizer that lies in a folder."""
    tokenizer: Any = AutoTokenizer.from_pretrained(str(path), trust_remote_code=False)
    return tokenizer


def load_model(
    config: Config, tokenizer: PreTrainedTokenizerFast, dtype: torch.dtype = torch.float32
) -> PreTrainedModel:
    """The backbone before training.

    Args:
        config: The run's configuration.
        tokenizer: Its tokenizer.
        dtype: Number format of the weights.
    """
    if config.model.source == "build":
        return _build(config, tokenizer).to(dtype=dtype)  # type: ignore[call-arg]
    path = require_weights(config)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            path,
            gguf_file=config.model.gguf_file,
            revision=config.model.revision,
            trust_remote_code=config.model.trust_remote_code,
            dtype=dtype,
            # GGUF files are not safetensors; everything else must be, so that no pickle is ever executed.
            **(_unpacked() if config.model.gguf_file else {"use_safetensors": True}),
        )
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"model.path: the weights in '{path}' can't be loaded: {_first_line(error)}") from error
    _finish(model, tokenizer)
    return model


def _unpacked() -> dict[str, Any]:
    """Weights of a GGUF file as plain tensors, which training and export need; newer versions of transformers keep them packed."""
    from transformers import utils

    with contextlib.suppress(ImportError, AttributeError):
        from transformers import modeling_gguf_pytorch_utils as reader

        reader.tqdm = partial(reader.tqdm, disable=True)  # It takes a second, and no setting turns its bar off.
    packed = getattr(utils.quantization_config, "GgufConfig", None)
    return {"quantization_config": packed(dequantize=True)} if packed else {}


def read_model(path: Path, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """An exported model."""
    return AutoModelForCausalLM.from_pretrained(str(path), dtype=dtype, use_safetensors=True)


def _build(config: Config, tokenizer: PreTrainedTokenizerFast) -> BloomForCausalLM:
    """BLOOM from its config; the weights depend on the seed alone."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        model = BloomForCausalLM(
            BloomConfig(
                vocab_size=len(tokenizer),
                hidden_size=config.model.hidden_size or 0,
                n_layer=config.model.layers or 0,
                n_head=config.model.heads or 0,
                initializer_range=config.model.initializer_range,
                hidden_dropout=0.0,
                attention_dropout=0.0,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )
    _finish(model, tokenizer)
    return model


def _tokenizer(path: str, config: Config) -> PreTrainedTokenizerFast:
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(
            path,
            gguf_file=config.model.gguf_file,
            revision=config.model.revision,
            trust_remote_code=config.model.trust_remote_code,
        )
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"model.path: the tokenizer in '{path}' can't be loaded: {_first_line(error)}") from error
    if not tokenizer.is_fast:
        raise UserError(
            f"model.path: '{path}' has no fast tokenizer (tokenizer.json), which cutting texts between tokens needs"
        )
    if tokenizer.eos_token_id is None:
        raise UserError(
            f"model.path: the tokenizer in '{path}' has no end-of-sequence token, so a model can't learn to stop"
        )
    if tokenizer.pad_token_id is None:
        # The loss never looks at padding and attention masks it, so any token serves; EOS is still learned.
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def _finish(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    """Generation stops at EOS, is greedy unless asked otherwise, and pads with the pad token."""
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    model.config.use_cache = True


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
