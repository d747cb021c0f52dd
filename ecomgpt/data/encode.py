"""Text to token ids, the same way in training and evaluation. Only the input text is ever cut."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from ecomgpt.tasks.prompt import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BATCH = 1000


class TooLong(ValueError):
    """A prompt that does not fit even without its input text."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A tokenised example.

    Attributes:
        ids: Prompt, answer and end of sequence.
        prompt_tokens: How many of ``ids`` are prompt; the loss covers the rest.
        cut_tokens: How many input tokens were cut away.
    """

    ids: list[int]
    prompt_tokens: int
    cut_tokens: int


def encode_prompt(tokenizer: "PreTrainedTokenizerFast", prompt: Prompt, max_tokens: int) -> tuple[list[int], int]:
    """Tokenises a prompt as one string, as any user of the exported model would.

    The end of the *input text* is cut where the whole is too long: never the instruction, the candidates or the layout.

    Args:
        tokenizer: A fast tokenizer.
        prompt: What the model reads.
        max_tokens: The limit.

    Returns:
        The ids and the number of tokens that were cut.

    Raises:
        TooLong: If the prompt does not fit even without its input text.
    """
    ids = tokenizer(prompt.text)["input_ids"]
    return (ids, 0) if len(ids) <= max_tokens else _cut(tokenizer, prompt, max_tokens, len(ids))


def encode_examples(
    tokenizer: "PreTrainedTokenizerFast", rows: Iterator[tuple[Prompt, str]] | Sequence[tuple[Prompt, str]], max_length: int
) -> Iterator[Encoded | None]:
    """Tokenises prompts with their answers, in batches.

    Prompt and answer are tokenised apart, so that no token spans their border: the model answers after the same prompt
    tokens that it was trained on.

    Yields:
        One item a row; None where prompt (without input), answer and end of sequence exceed ``max_length``.
    """
    iterator = iter(rows)
    end = tokenizer.eos_token_id
    while batch := list(islice(iterator, BATCH)):
        prompts: Any = tokenizer([prompt.text for prompt, _ in batch])["input_ids"]
        answers: Any = tokenizer([answer for _, answer in batch], add_special_tokens=False)["input_ids"]
        for (prompt, _), ids, answer in zip(batch, prompts, answers, strict=True):
            space = max_length - len(answer) - 1
            cut = 0
            if len(ids) > space:
                try:
                    ids, cut = _cut(tokenizer, prompt, space, len(ids))
                except TooLong:
                    yield None
                    continue
            yield Encoded([*ids, *answer, end], len(ids), cut)


def _cut(tokenizer: "PreTrainedTokenizerFast", prompt: Prompt, max_tokens: int, tokens: int) -> tuple[list[int], int]:
    """Shortens the input text until the prompt fits; the text is cut between tokens, so no character is torn."""
    offsets: Any = tokenizer(prompt.input, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    keep = len(offsets) - (tokens - max_tokens)
    # The pieces' tokens may merge differently once joined, so a cut can need another round.
    while keep >= 0:
        text = prompt.input[: offsets[keep - 1][1]] if keep else ""
        ids = tokenizer(prompt.before + text + prompt.after)["input_ids"]
        if len(ids) <= max_tokens:
            return ids, tokens - len(ids)
        keep -= max(1, len(ids) - max_tokens)
    raise TooLong(f"the prompt without its input text exceeds {max_tokens} tokens")
