"""Builds or loads a causal language model and its tokenizer."""

import contextlib
from collections.abc import Iterator
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
from ecomgpt.common.sealed import SEAL, require_whole
from ecomgpt.config.schema import ModelConfig
from ecomgpt.model.locate import require_weights

DAMAGED = (
    f"export it again with job=export run=<run>, or train again; whoever changed the file on purpose deletes '{SEAL}'"
)
"""What to do about an exported folder that is not as it was written."""

# No bar per file when weights are read; a download of gigabytes does show its progress.
logging.disable_progress_bar()
enable_progress_bars()


def load_tokenizer(model: ModelConfig, models: str) -> PreTrainedTokenizerFast:
    """The tokenizer that comes with a backbone.

    Args:
        model: Names the backbone.
        models: The folder that is searched for weights (``paths.models``).

    Raises:
        UserError: If the weights are absent or the tokenizer lacks what training needs.
    """
    path = require_weights(model, models)
    require_whole(Path(path), DAMAGED)
    with _reported(f"the tokenizer in '{path}'"):
        tokenizer: Any = AutoTokenizer.from_pretrained(
            path, gguf_file=model.gguf_file, revision=model.revision, trust_remote_code=model.trust_remote_code
        )
    if not tokenizer.is_fast:
        raise UserError(
            f"model.path: '{path}' has no fast tokenizer (tokenizer.json), which cutting texts between tokens needs"
        )
    if tokenizer.eos_token_id is None:
        raise UserError(
            f"model.path: the tokenizer in '{path}' has no end-of-sequence token, so a model can't learn to stop"
        )
    if tokenizer.pad_token_id is None:
        # The loss ignores padding and attention masks it, so any token serves; EOS is still learned.
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def load_model(
    model: ModelConfig, models: str, tokenizer: PreTrainedTokenizerFast, seed: int, dtype: torch.dtype = torch.float32
) -> PreTrainedModel:
    """A backbone before training: stops at EOS, decodes greedily unless asked otherwise, and pads with the pad token.

    Args:
        model: Names the backbone, or gives the shape of a BLOOM to build.
        models: The folder that is searched for weights (``paths.models``).
        tokenizer: Its tokenizer.
        seed: Decides the weights of a model that is built, alone.
        dtype: Number format of the weights.

    Raises:
        UserError: If the weights are absent or can't be loaded.
    """
    loaded = _build(model, tokenizer, seed, dtype) if model.source == "build" else _load(model, models, dtype)
    loaded.generation_config = GenerationConfig(**_special_tokens(tokenizer))
    loaded.config.use_cache = True
    return loaded


def read_model(path: Path, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """An exported model.

    Raises:
        UserError: If a file of it is not the one that was exported.
    """
    require_whole(path, DAMAGED)
    return AutoModelForCausalLM.from_pretrained(str(path), dtype=dtype, use_safetensors=True)


def read_tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """The tokenizer in a folder; errors as in `read_model`."""
    require_whole(path, DAMAGED)
    tokenizer: Any = AutoTokenizer.from_pretrained(str(path), trust_remote_code=False)
    return tokenizer


def _build(model: ModelConfig, tokenizer: PreTrainedTokenizerFast, seed: int, dtype: torch.dtype) -> PreTrainedModel:
    shape = BloomConfig(
        vocab_size=len(tokenizer),
        hidden_size=model.hidden_size or 0,
        n_layer=model.layers or 0,
        n_head=model.heads or 0,
        initializer_range=model.initializer_range,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        **_special_tokens(tokenizer),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BloomForCausalLM(shape).to(dtype=dtype)  # type: ignore[call-arg]


def _load(model: ModelConfig, models: str, dtype: torch.dtype) -> PreTrainedModel:
    path = require_weights(model, models)
    require_whole(Path(path), DAMAGED)
    with _reported(f"the weights in '{path}'"):
        return AutoModelForCausalLM.from_pretrained(
            path,
            gguf_file=model.gguf_file,
            revision=model.revision,
            trust_remote_code=model.trust_remote_code,
            dtype=dtype,
            # GGUF files are not safetensors; everything else must be, so that no pickle is ever executed.
            **(_dequantised() if model.gguf_file else {"use_safetensors": True}),
        )


def _dequantised() -> dict[str, Any]:
    """Settings that load a GGUF file as plain tensors, for training and export; newer transformers keep them packed."""
    from transformers import utils

    with contextlib.suppress(ImportError, AttributeError):
        from transformers import modeling_gguf_pytorch_utils as reader

        reader.tqdm = partial(reader.tqdm, disable=True)  # It takes a second, and no setting turns its bar off.
    packed = getattr(utils.quantization_config, "GgufConfig", None)
    return {"quantization_config": packed(dequantize=True)} if packed else {}


def _special_tokens(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}


@contextlib.contextmanager
def _reported(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"model.path: {what} can't be loaded: {reason}") from error
