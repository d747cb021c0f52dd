"""Decoding by transformers' own `generate`, for models that the engine does not know: padded batches of like length."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel

MOST_PADDING = 0.25


@torch.inference_mode()
def generate(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], limit: int, beams: int, ends: frozenset[int], pad: int
) -> list[list[int]]:
    """Answers a batch of prompts.

    Args:
        model: A causal language model.
        prompts: Token ids.
        limit: Most new tokens.
        beams: 1 is greedy.
        ends: Tokens that end an answer.
        pad: Fills prompts up on the left.

    Returns:
        The new tokens of each prompt, without the end.
    """
    longest = max(map(len, prompts))
    ids = torch.tensor([[pad] * (longest - len(prompt)) + list(prompt) for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    config = GenerationConfig(
        num_beams=beams, do_sample=False, max_new_tokens=limit, eos_token_id=sorted(ends) or None, pad_token_id=pad
    )
    call: Any = model.generate
    output = call(input_ids=ids, attention_mask=mask, generation_config=config)
    return [_until(row, ends) for row in output[:, longest:].tolist()]


def batches(prompts: Sequence[Sequence[int]], limit: int, beams: int, batch_tokens: int) -> Iterator[list[int]]:
    """Indices of rows of like length together, the longest first, so that trouble with memory shows at once.

    A batch ends where one more row would break the token budget, rows times beams times (longest prompt + limit), or
    would make more than `MOST_PADDING` of it padding.
    """
    batch: list[int] = []
    real = 0
    for at in sorted(range(len(prompts)), key=lambda at: (-len(prompts[at]), at)):
        longest = len(prompts[batch[0] if batch else at])
        size = (len(batch) + 1) * (longest + limit)
        padding = (len(batch) + 1) * longest - real - len(prompts[at])
        if batch and (size * beams > batch_tokens or padding > MOST_PADDING * size):
            yield batch
            batch, real = [], 0
        batch.append(at)
        real += len(prompts[at])
    if batch:
        yield batch


def _until(tokens: list[int], ends: frozenset[int]) -> list[int]:
    return next((tokens[:at] for at, token in enumerate(tokens) if token in ends), tokens)
