"""Text to token ids, the same way in training and evaluation. Only the input text is ever cut."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecomgpt.tasks.prompt import Prompt

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast


class TooLong(ValueError):
    """A prompt that does not fit even without its input text."""


@dataclass(frozen=True, slots=True)
class EncodedExample:
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

    def ids_of(text: str) -> Any:
        return tokenizer(text)["input_ids"]

    def ends_of(text: str) -> list[int]:
        offsets: Any = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        return [end for _, end in offsets]

    ids = ids_of(prompt.text)
    return (ids, 0) if len(ids) <= max_tokens else _cut(ids_of, ends_of, prompt, max_tokens, len(ids))


def encode_examples(
    tokenizer: "Tokenizer", end: int, prompts: Sequence[Prompt], answers: Sequence[str], max_length: int
) -> Iterator[EncodedExample | None]:
    """Tokenises prompts with their answers.

    Prompt and answer are tokenised apart, so that no token spans their border: the model answers after the same prompt
    tokens that it was trained on.

    Args:
        tokenizer: What works inside a fast tokenizer, without truncation and padding: it needs no `transformers`.
        end: Id of the end of sequence.
        prompts: What the model reads.
        answers: What it is to answer, as many.
        max_length: Tokens of prompt, answer and end of sequence.

    Yields:
        One item per row; None where prompt (without input), answer and end of sequence exceed ``max_length``.
    """

    def ids_of(text: str) -> list[int]:
        return tokenizer.encode(text).ids

    def ends_of(text: str) -> list[int]:
        return [end for _, end in tokenizer.encode(text, add_special_tokens=False).offsets]

    read = tokenizer.encode_batch_fast([prompt.text for prompt in prompts])
    written = tokenizer.encode_batch_fast(list(answers), add_special_tokens=False)
    for prompt, whole, answer in zip(prompts, read, written, strict=True):
        ids, cut = whole.ids, 0
        space = max_length - len(answer) - 1
        if len(ids) > space:
            try:
                ids, cut = _cut(ids_of, ends_of, prompt, space, len(ids))
            except TooLong:
                yield None
                continue
        yield EncodedExample([*ids, *answer.ids, end], len(ids), cut)


def _cut(
    ids_of: Callable[[str], list[int]],
    ends_of: Callable[[str], list[int]],
    prompt: Prompt,
    max_tokens: int,
    tokens: int,
) -> tuple[list[int], int]:
    """Shortens the input text until the prompt fits; the text is cut between tokens, so no character is torn."""
    ends = ends_of(prompt.input)
    keep = len(ends) - (tokens - max_tokens)
    # The pieces' tokens may merge differently once joined, so a cut can need another round.
    while keep >= 0:
        text = prompt.input[: ends[keep - 1]] if keep else ""
        ids = ids_of(prompt.before + text + prompt.after)
        if len(ids) <= max_tokens:
            return ids, tokens - len(ids)
        keep -= max(1, len(ids) - max_tokens)
    raise TooLong(f"the prompt without its input text exceeds {max_tokens} tokens")
