"""Checks on two short examples, before training, that an unknown model computes packed rows exactly.

Transformers declares that most models take any attention function, but some do not pass its arguments on, and some
change hidden states between the blocks and the head. Both would train without an error, on losses other than the
model's.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedModel

LENGTHS = [7, 5]
"""Tokens of the two examples."""
PLACES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10]
"""Positions in the row that predict a token of their own example."""
BOUND = 2e-3
"""Largest relative difference from rounding; mixed examples or another head change losses by more than a hundredth."""


def exact(network: nn.Module, model: PreTrainedModel) -> bool:
    """Compares the losses of a packed row with those of each example alone.

    Args:
        network: Takes packed rows, like `ecomgpt.model.network.Network`.
        model: The model in it.

    Returns:
        True if they agree, and where weights have no values, as in planning.
    """
    weight = cast(torch.Tensor, model.get_input_embeddings().weight)
    if weight.is_meta or type(weight.data) is not torch.Tensor:
        return True
    device, training = weight.device, model.training
    ids = (11 + 37 * torch.arange(sum(LENGTHS), device=device))[None] % len(weight)
    positions = torch.cat([torch.arange(length, device=device) for length in LENGTHS])[None]
    places = torch.tensor(PLACES, device=device)
    targets = ids[0, places + 1]
    model.eval()
    with torch.no_grad():
        logits = [model(input_ids=part, use_cache=False).logits[0].float() for part in ids.split(LENGTHS, dim=1)]
        packed = network(ids, positions, LENGTHS, places, targets)
    model.train(training)
    alone = F.cross_entropy(torch.cat(logits)[places], targets, reduction="none")
    return bool((packed - alone).abs().max() < BOUND * alone.abs().max().clamp(min=1.0))
