"""Ranking: the candidate that the model finds most likely as the whole answer."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ecomgpt.eval.decoding.prepare import prepared, supports
from ecomgpt.eval.decoding.store import MOST_LOGITS, Store
from ecomgpt.eval.decoding.tree import Tree

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_TIE = 1e-4  # Scores differ by less than this where a prompt is read in other company.
CANDIDATE_TOKENS = 1024
"""Candidate tokens that are read at once."""


def rank(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    questions: Sequence[tuple[Sequence[int], Sequence[str]]],
    prefix: Sequence[int] = (),
) -> Iterator[tuple[int, str]]:
    """Picks the candidate with the highest likelihood for each question; among equals the first.

    A candidate's score is ``sum log p(token | prompt, earlier tokens)`` over its tokens and the end of sequence, which
    is the probability that the model would answer just this. It is not divided by the length: the end of sequence makes
    answers of different lengths comparable, while a mean per token would favour long candidates whose later tokens
    follow from their first. A task that asks for several labels gets the best one.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        questions: Token ids of the prompt, and the candidates.
        prefix: What all prompts begin with; it is read once.

    Yields:
        The index of the question and the candidate.
    """
    for at, scores in enumerate(likelihoods(model, tokenizer, questions, prefix)):
        # Two spellings of one number are a tie: rounding must not decide.
        best = max(scores)
        yield at, questions[at][1][next(i for i, score in enumerate(scores) if score >= best - _TIE)]


def likelihoods(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    questions: Sequence[tuple[Sequence[int], Sequence[str]]],
    prefix: Sequence[int] = (),
) -> Iterator[list[float]]:
    """Log-likelihoods of the candidates as whole answers, for each question; arguments as in `rank`.

    A prompt is read once, and so is every beginning that several of its candidates share.
    """
    if not questions:
        return
    ends = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
    fast = supports(model)
    with prepared(model) if fast else nullcontext():
        store = Store(model, 1, max(len(prompt) for prompt, _ in questions)) if fast else None
        if store:
            store.share(prefix)
        for prompt, candidates in questions:
            answers = [list(tokenizer(text, add_special_tokens=False)["input_ids"]) + ends for text in candidates]
            yield _shared(store, prompt, answers) if store else whole(model, prompt, answers)


@torch.inference_mode()
def whole(model: "PreTrainedModel", prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> list[float]:
    """Log-likelihoods of answers, each read with the whole prompt, for models that the engine does not support."""
    scores = []
    for answer in answers:
        ids = torch.tensor([[*prompt, *answer]], device=model.device)
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=len(answer) + 1).logits[0, :-1].float()
        chosen = logits.gather(1, ids[0, len(prompt) :, None])[:, 0] - logits.logsumexp(-1)
        scores.append(float(chosen.sum()))
    return scores


@torch.inference_mode()
def _shared(store: Store, prompt: Sequence[int], answers: Sequence[list[int]]) -> list[float]:
    first = store.read([prompt])
    scores: list[float] = []
    for batch in _batches(answers):
        tree = Tree(batch)
        hidden = torch.cat([first, store.branch(tree)]) if tree.tokens else first
        scores += tree.sums(_log_probabilities(store, hidden, tree.asked))
    store.release(0)
    return scores


def _log_probabilities(store: Store, hidden: Tensor, asked: list[tuple[int, int]]) -> list[float]:
    """Log-probability of each (place in the tree, token that follows)."""
    wanted: list[float] = [0.0] * len(asked)
    for start in range(0, len(hidden), MOST_LOGITS):
        logits = store.logits(hidden[start : start + MOST_LOGITS])
        sums = logits.logsumexp(-1)
        here = [
            (number, place - start, token)
            for number, (place, token) in enumerate(asked)
            if start <= place < start + len(logits)
        ]
        places, tokens = torch.tensor([one[1:] for one in here], device=logits.device).reshape(-1, 2).long().T
        for (number, _, _), value in zip(here, (logits[places, tokens] - sums[places]).tolist(), strict=True):
            wanted[number] = value
    return wanted


def _batches(answers: Sequence[list[int]]) -> Iterator[list[list[int]]]:
    batch: list[list[int]] = []
    for answer in answers:
        if batch and sum(map(len, batch)) + len(answer) > CANDIDATE_TOKENS:
            yield batch
            batch = []
        batch.append(answer)
    yield batch
