"""How fast training is against what the machine can do: useful floating-point operations over the matrix-product peak.

"Useful" leaves out padding, masked attention, recomputation, and head rows without a target, so the share can't be
raised by waste.
"""

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from ecomgpt.model.linear import product

SIDES = {"cpu": (2048, 6), "cuda": (8192, 10)}
"""Side of the square matrices and number of products, by kind of device: about a second."""


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of the best of a few large matrix products, as a linear layer calls them.

    Each is of operands that were not used just before: a layer's weights lie in memory and in no cache, too.
    """
    side, tries = SIDES[device.type]
    pairs = [[torch.randn(side, side, device=device).to(dtype) for _ in range(2)] for _ in range(2)]
    best = float("inf")
    with torch.inference_mode():
        for left, right in pairs * (tries // 2):
            _wait(device)
            started = time.perf_counter()
            product(left, right)
            _wait(device)
            best = min(best, time.perf_counter() - started)
    return 2.0 * side**3 / best


class UsefulWork:
    """Counts the useful operations of training, from the model's linear layers.

    A multiplication with a weight costs 2 operations for each of its entries forward, 2 for the gradient of its input,
    and 2 for its own if it is trained (Kaplan et al., 2020, appendix B). Causal attention costs 2 x length^2 x width a
    layer forward (half of the full square for scores and for values) and twice that backward.

    Args:
        model: The language model, before a strategy shards it.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        head: Any = model.get_output_embeddings()
        linears = [part for part in model.modules() if isinstance(part, nn.Linear) and part is not head]
        self.token = sum(self._linear(part) for part in linears)
        self.target = self._linear(head)
        config: Any = model.config
        heads = config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // heads
        self.square = 6 * heads * size * config.num_hidden_layers

    @staticmethod
    def _linear(part: nn.Linear) -> int:
        return part.in_features * part.out_features * (6 if part.weight.requires_grad else 4)

    def operations(self, lengths: Sequence[int], targets: int) -> float:
        """Floating-point operations of examples of these lengths with that many targets in all, forward and
        backward."""
        return float(
            self.token * sum(lengths) + self.square * sum(length * length for length in lengths) + self.target * targets
        )


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
