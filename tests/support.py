"""Tiny models and configurations that several rooms test with."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import BloomForCausalLM, LlamaForCausalLM

    from ecomgpt.tasks.instruction import Instruction

TINY_MODEL = ("model.hidden_size=32", "model.layers=2", "model.heads=2", "model.vocabulary=600")
TINY = (*TINY_MODEL, "sources.options.demo_store.products=12")
"""Overrides that make a run over the demo data a matter of seconds."""


def bloom(
    vocabulary: int = 300, width: int = 32, layers: int = 2, heads: int = 4, seed: int = 0, **more: Any
) -> "BloomForCausalLM":
    """A BLOOM with random weights, spread widely enough that its predictions differ."""
    import torch
    from transformers import BloomConfig, BloomForCausalLM

    torch.manual_seed(seed)
    shape = {"vocab_size": vocabulary, "hidden_size": width, "n_layer": layers, "n_head": heads}
    return BloomForCausalLM(BloomConfig(**{**shape, "initializer_range": 0.1, **more}))


def llama(
    vocabulary: int = 300, width: int = 32, layers: int = 2, heads: int = 4, seed: int = 0, **more: Any
) -> "LlamaForCausalLM":
    """A Llama with random weights, whose heads share keys two by two unless told otherwise."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    shape = {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads // 2,
    }
    return LlamaForCausalLM(LlamaConfig(**{**shape, "initializer_range": 0.1, **more}))


def read_instructions(path: Path) -> "list[Instruction]":
    """All instructions of a mixture's file, in its order."""
    from ecomgpt.data.store import instructions_at, read_batches

    return instructions_at(path, range(sum(map(len, read_batches(path)))))
