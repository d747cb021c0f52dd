"""Ranking: which of the candidates does the model find most likely as the whole answer?"""

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_MOST_LOGITS = 512  # Positions whose logits are held at once; BLOOM's vocabulary makes each a megabyte.


@torch.inference_mode()
def rank(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    prompt: list[int],
    candidates: Sequence[str],
    batch_tokens: int = 8192,
) -> str:
    """The candidate with the highest likelihood; of equals the first.

    A candidate's score is ``sum log p(token | prompt, earlier tokens)`` over its tokens and the end of sequence, which is
    the probability that the model would answer just this: no normalisation by length is needed. A task that asks for
    several labels gets the best one.
    """
    scores = likelihoods(model, tokenizer, prompt, candidates, batch_tokens)
    return candidates[max(range(len(candidates)), key=lambda at: scores[at])]


@torch.inference_mode()
def likelihoods(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    prompt: list[int],
    candidates: Sequence[str],
    batch_tokens: int = 8192,
) -> list[float]:
    """Log-likelihoods of the candidates as whole answers. The prompt is read once; its cache serves all of them.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer, with an end of sequence.
        prompt: Token ids.
        candidates: Answers.
        batch_tokens: Most tokens, prompt included, that a batch of candidates holds.
    """
    from transformers import DynamicCache

    ends = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
    answers = [list(tokenizer(text, add_special_tokens=False)["input_ids"]) + ends for text in candidates]
    cache = DynamicCache(config=model.config)
    first = model(
        input_ids=torch.tensor([prompt], device=model.device),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long, device=model.device),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits[0, -1]
    start = first.float().log_softmax(-1)
    scores: list[float] = []
    for batch in _batches(answers, len(prompt), batch_tokens):
        longest = max(map(len, batch))
        ids = torch.tensor([answer + [0] * (longest - len(answer)) for answer in batch], device=model.device)
        real = torch.tensor(
            [[1] * len(answer) + [0] * (longest - len(answer)) for answer in batch], device=model.device
        )
        total = start[ids[:, 0]] * real[:, 0]
        if longest > 1:
            shared = copy.deepcopy(cache)
            shared.batch_repeat_interleave(len(batch))
            mask = torch.cat([real.new_ones(len(batch), len(prompt)), real[:, :-1]], dim=1)
            logits = model(
                input_ids=ids[:, :-1], attention_mask=mask, past_key_values=shared, use_cache=True
            ).logits.float()
            logits = logits.gather(-1, ids[:, 1:, None])[..., 0] - logits.logsumexp(-1)
            total = total + (logits * real[:, 1:]).sum(-1)
        scores.extend(total.tolist())
    return scores


def _batches(answers: Sequence[list[int]], prompt: int, batch_tokens: int) -> Iterator[Sequence[list[int]]]:
    longest = max(map(len, answers))
    size = max(1, min(batch_tokens // (prompt + longest), _MOST_LOGITS // longest))
    for start in range(0, len(answers), size):
        yield answers[start : start + size]
