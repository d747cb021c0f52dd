"""Compares an exported folder, loaded by plain transformers, with the model that it was made from."""

from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from ecomgpt.common.errors import JobFailure
from ecomgpt.common.log import log

TEXTS = ("A kettle that boils fast. Is it a kitchen product?", "这款水壶烧水很快，外观也好看。")
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2e-2}
"""Largest difference of two logits relative to the largest logit; both models compute on the CPU in the same format."""


def logits(model: Any, tokenizer: PreTrainedTokenizerFast) -> list[Tensor]:
    """Logits of a model on the CPU for each of `TEXTS`, float32, shape (tokens, vocabulary)."""
    training = model.training
    model.eval()
    with torch.no_grad():
        inputs = [tokenizer(text, return_tensors="pt")["input_ids"] for text in TEXTS]
        results = [model(input_ids=ids).logits[0].float() for ids in inputs]
    model.train(training)
    return results


def verify(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, dtype: torch.dtype) -> str:
    """Compares logits with the folder's, or each weight where memory holds no second copy of the model.

    Returns:
        What was compared, for people.

    Raises:
        JobFailure: If they differ.
    """
    needed = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    if psutil.virtual_memory().available < 1.2 * needed:
        return _compare_weights(folder, model)
    again = AutoModelForCausalLM.from_pretrained(str(folder), dtype=dtype, use_safetensors=True)
    return compare(logits(model, tokenizer), logits(again, tokenizer), dtype, folder)


def compare(ours: list[Tensor], theirs: list[Tensor], dtype: torch.dtype, folder: Path) -> str:
    """The largest difference of logits.

    Raises:
        JobFailure: If it is too large.
    """
    largest = max(float(value.abs().max()) for value in ours)
    difference = max(float((one - two).abs().max()) for one, two in zip(ours, theirs, strict=True))
    if not difference <= TOLERANCE[dtype] * max(1.0, largest):
        raise JobFailure(
            f"export: '{folder.name}', read again by transformers, gives other logits: "
            f"they differ by {difference:.3g} of {largest:.3g}"
        )
    text = f"read again by transformers, logits differ by at most {difference:.1e}"
    log.info("export: %s", text)
    return text


def _compare_weights(folder: Path, model: PreTrainedModel) -> str:
    own = model.state_dict()
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 (no mapping)
                if not torch.equal(weights.get_tensor(name), own[name].cpu()):
                    raise JobFailure(f"export: '{folder.name}/{file.name}' holds another {name} than the model")
    return "every weight compared; there was no memory to compare logits"
