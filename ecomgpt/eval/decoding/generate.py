"""In-process decoding: greedy, beam search, or ranking closed candidates.

In float32 the text of a row does not depend on what is decoded with it; see `ecomgpt.eval.decoding.stream`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ecomgpt.common.errors import UserError
from ecomgpt.data.encode import TooLong, encode_prompt
from ecomgpt.eval.backends import Reply
from ecomgpt.eval.rows import EvalRow

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Decoding:
    """How answers are decoded.

    Attributes:
        max_new_tokens: Answers end here at the latest.
        max_prompt_tokens: Longer inputs are cut.
        batch_tokens: Tokens whose keys are held at once: rows times (longest prompt + beams times max_new_tokens).
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
    """Answers every row of one task once, as it is done.

    Args:
        model: A causal language model, on its device.
        tokenizer: Its tokenizer.
        rows: Questions.
        settings: How to decode.

    Raises:
        UserError: If a prompt does not fit even without its input text.
    """
    from ecomgpt.eval.decoding.prepare import supports
    from ecomgpt.eval.decoding.rank import rank

    encoded = encode(tokenizer, rows, settings.max_prompt_tokens)
    closed = [one for one in encoded if settings.rank and _rankable(rows[one.index])]
    prefix = shared_prefix(tokenizer, rows, encoded)
    for one, choice in rank(model, tokenizer, [(one.ids, rows[one.index].candidates) for one in closed], prefix):
        yield Reply(closed[one].index, choice, closed[one].cut)
    ranked = {one.index for one in closed}
    open_ = [one for one in encoded if one.index not in ranked]
    write = partial(stream, prefix=prefix) if supports(model) else _batched
    for at, tokens in write(model, tokenizer, [one.ids for one in open_], settings):
        yield Reply(open_[at].index, text_of(tokenizer, tokens), open_[at].cut)


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
            f"{too_long[0]} and {len(too_long) - 1} more rows: the prompt without its input text exceeds "
            f"{max_tokens} tokens; raise eval.max_prompt_tokens or offer fewer candidates (eval.max_candidates)"
        )
    return encoded


def shared_prefix(
    tokenizer: "PreTrainedTokenizerFast", rows: Sequence[EvalRow], encoded: Sequence[Encoded]
) -> list[int]:
    """The tokens that every prompt begins with, whichever of a task's rows are decoded.

    They are the layout before the first input text, without its last token, which may merge with the text.
    """
    if not rows:
        return []
    head: list[int] = tokenizer(rows[0].prompt.before)["input_ids"][:-1]
    return head if all(one.ids[: len(head)] == head and len(one.ids) > len(head) for one in encoded) else []


def end_tokens(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerFast") -> frozenset[int]:
    """What ends an answer: the tokenizer's end of sequence and those of the model's generation config."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    ends = {configured} if isinstance(configured, int) else set(configured or ())
    return frozenset(ends | ({tokenizer.eos_token_id} if tokenizer.eos_token_id is not None else set()))


def text_of(tokenizer: "PreTrainedTokenizerFast", tokens: list[int]) -> str:
    """The raw text: no special tokens, and no repair of spaces."""
    return str(tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def stream(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    prompts: list[list[int]],
    settings: Decoding,
    prefix: Sequence[int],
) -> Iterator[tuple[int, list[int]]]:
    from ecomgpt.eval.decoding.search import Beam, Greedy, RowSearch
    from ecomgpt.eval.decoding.stream import decode

    ends, limit = end_tokens(model, tokenizer), settings.max_new_tokens

    def search() -> RowSearch:
        return Beam(settings.beams, limit, ends) if settings.beams > 1 else Greedy(limit, ends)

    yield from decode(model, prompts, search, limit, settings.batch_tokens, prefix)


def _batched(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerFast", prompts: list[list[int]], settings: Decoding
) -> Iterator[tuple[int, list[int]]]:
    from ecomgpt.eval.decoding.plain import batches, generate

    # Padding is masked, so without a pad token any token will do.
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0
    ends, limit = end_tokens(model, tokenizer), settings.max_new_tokens
    for batch in batches(prompts, limit, settings.beams, settings.batch_tokens):
        yield from zip(
            batch, generate(model, [prompts[at] for at in batch], limit, settings.beams, ends, pad), strict=True
        )


def _rankable(row: EvalRow) -> bool:
    return row.form in ("label", "labels") and bool(row.candidates)
