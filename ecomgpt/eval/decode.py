"""In-process decoding with transformers: greedy, beam search, or ranking closed candidates.

Results do not depend on how rows are batched (in float32 the text is identical): padding stands left and is masked, and
positions start at each row's first token.
"""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ecomgpt.data.encode import TooLong, encode_prompt
from ecomgpt.errors import UserError
from ecomgpt.eval.backends import Reply
from ecomgpt.eval.rank import rank
from ecomgpt.eval.rows import EvalRow

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


MOST_PADDING = 0.25


@dataclass(frozen=True, slots=True)
class Decoding:
    """How answers are decoded.

    Attributes:
        max_new_tokens: Answers end here at the latest.
        max_prompt_tokens: Longer inputs are cut.
        batch_tokens: Tokens that a batch may hold: rows times beams times (longest prompt + max_new_tokens).
        beams: 1 is greedy.
        rank: Score every candidate by its likelihood where the answer is one of closed candidates.
    """

    max_new_tokens: int
    max_prompt_tokens: int = 800
    batch_tokens: int = 8192
    beams: int = 1
    rank: bool = False


@dataclass(frozen=True, slots=True)
class Encoded:
    """A tokenised prompt with the index of its row."""

    index: int
    ids: list[int]
    cut: int


def answer(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerFast", rows: Sequence[EvalRow], settings: Decoding
) -> Iterator[Reply]:
    """Answers every row once, those of like length together.

    Args:
        model: A causal language model, on its device.
        tokenizer: Its tokenizer.
        rows: Questions.
        settings: How to decode.

    Raises:
        UserError: If a prompt does not fit even without its input text.
    """
    encoded = encode(tokenizer, rows, settings.max_prompt_tokens)
    with _evaluating(model):
        ranked = [one for one in encoded if settings.rank and _rankable(rows[one.index])]
        for one in ranked:
            text = rank(model, tokenizer, one.ids, rows[one.index].candidates, settings.batch_tokens)
            yield Reply(one.index, text, one.cut)
        closed = {one.index for one in ranked}
        for batch in batches([one for one in encoded if one.index not in closed], settings):
            prompts = [one.ids for one in batch]
            outputs = (
                beam(model, tokenizer, prompts, settings)
                if settings.beams > 1
                else greedy(model, prompts, settings.max_new_tokens, end_tokens(model, tokenizer), _pad(tokenizer))
            )
            for one, output in zip(batch, outputs, strict=True):
                yield Reply(one.index, text_of(tokenizer, output), one.cut)


def encode(tokenizer: "PreTrainedTokenizerFast", rows: Sequence[EvalRow], max_tokens: int) -> list[Encoded]:
    """Tokenises all prompts before any is answered, so that trouble shows at once.

    Raises:
        UserError: Naming the rows whose instruction and candidates alone are too long.
    """
    encoded: list[Encoded] = []
    too_long: list[str] = []
    for index, row in enumerate(rows):
        try:
            encoded.append(Encoded(index, *encode_prompt(tokenizer, row.prompt, max_tokens)))
        except TooLong:
            too_long.append(row.id)
    if too_long:
        raise UserError(
            f"{too_long[0]} and {len(too_long) - 1} more rows: the prompt without its input text exceeds {max_tokens} tokens; "
            "raise eval.max_prompt_tokens or offer fewer candidates (eval.max_candidates)"
        )
    return encoded


def batches(encoded: Sequence[Encoded], settings: Decoding) -> Iterator[list[Encoded]]:
    """Rows of like length together, the longest first, so that trouble with memory shows at once.

    A batch ends where one more row would break the token budget, or would make more than `MOST_PADDING` of it padding: a
    few very long prompts must not make many short ones wait.
    """
    batch: list[Encoded] = []
    real = 0
    for one in sorted(encoded, key=lambda one: (-len(one.ids), one.index)):
        longest = len(batch[0].ids) if batch else len(one.ids)
        size = (len(batch) + 1) * (longest + settings.max_new_tokens)
        padding = (len(batch) + 1) * longest - real - len(one.ids)
        if batch and (size * settings.beams > settings.batch_tokens or padding > MOST_PADDING * size):
            yield batch
            batch, real = [], 0
        batch.append(one)
        real += len(one.ids)
    if batch:
        yield batch


@torch.inference_mode()
def greedy(
    model: "PreTrainedModel", prompts: Sequence[list[int]], max_new_tokens: int, ends: set[int], pad: int
) -> list[list[int]]:
    """The most likely token at each step. Rows that have ended leave the batch, so they cost nothing while others go on.

    Args:
        model: A causal language model.
        prompts: Token ids.
        max_new_tokens: The longest answer.
        ends: Tokens that end an answer.
        pad: Fills prompts up on the left.

    Returns:
        The new tokens of each prompt, without the end token.
    """
    from transformers import DynamicCache

    ids, mask = pad_left(prompts, pad, model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    # BLOOM takes no positions: its bias follows from the mask.
    takes_positions = "position_ids" in inspect.signature(model.forward).parameters
    cache = DynamicCache(config=model.config)
    outputs: list[list[int]] = [[] for _ in prompts]
    going = list(range(len(prompts)))
    for step in range(max_new_tokens):
        extra = {"position_ids": positions} if takes_positions else {}
        logits = model(
            input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, logits_to_keep=1, **extra
        ).logits[:, -1]
        tokens = logits.argmax(-1)
        chosen = tokens.tolist()
        stay = [at for at, token in enumerate(chosen) if token not in ends]
        for at in stay:
            outputs[going[at]].append(chosen[at])
        if not stay or step == max_new_tokens - 1:
            break
        if len(stay) < len(going):
            kept = torch.tensor(stay, device=ids.device)
            cache.batch_select_indices(kept)
            tokens, mask, positions = tokens[kept], mask[kept], positions[kept]
            going = [going[at] for at in stay]
        ids = tokens[:, None]
        mask = torch.cat([mask, mask.new_ones(len(going), 1)], dim=1)
        positions = positions[:, -1:] + 1
    return outputs


@torch.inference_mode()
def beam(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerFast", prompts: Sequence[list[int]], settings: Decoding
) -> list[list[int]]:
    """Beam search of transformers, with its defaults: length penalty 1, ends when no beam can win any more."""
    from transformers import GenerationConfig

    pad = _pad(tokenizer)
    ids, mask = pad_left(prompts, pad, model.device)
    ends = end_tokens(model, tokenizer)
    config = GenerationConfig(
        num_beams=settings.beams,
        do_sample=False,
        max_new_tokens=settings.max_new_tokens,
        eos_token_id=sorted(ends),
        pad_token_id=pad,
        use_cache=True,
    )
    generate: Any = model.generate
    output = generate(input_ids=ids, attention_mask=mask, generation_config=config)
    return [_until(row, ends) for row in output[:, ids.shape[1] :].tolist()]


def pad_left(prompts: Sequence[list[int]], pad: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, longest) ids and mask; the mask is 1 on tokens and 0 on padding."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[pad] * (longest - len(prompt)) + prompt for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    return ids, mask


def end_tokens(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerFast") -> set[int]:
    """What ends an answer: the tokenizer's end of sequence and those of the model's generation config."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    ends = {configured} if isinstance(configured, int) else set(configured or ())
    return ends | ({tokenizer.eos_token_id} if tokenizer.eos_token_id is not None else set())


def text_of(tokenizer: "PreTrainedTokenizerFast", tokens: list[int]) -> str:
    """The raw text: no special tokens, and no repair of spaces."""
    return str(tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _until(tokens: list[int], ends: set[int]) -> list[int]:
    return next((tokens[:at] for at, token in enumerate(tokens) if token in ends), tokens)


def _pad(tokenizer: "PreTrainedTokenizerFast") -> int:
    # Padding is masked, so without a pad token any token will do.
    return tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0


def _rankable(row: EvalRow) -> bool:
    return row.form in ("label", "labels") and bool(row.candidates)


@contextmanager
def _evaluating(model: "PreTrainedModel") -> Iterator[None]:
    """Without dropout and with the cache, whatever training had set."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
