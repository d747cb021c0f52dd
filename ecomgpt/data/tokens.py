"""One process's share of the tokens: a batch of instructions becomes arrays of token ids."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from ecomgpt.data.encode import encode_examples
from ecomgpt.data.store import FACTS, Examples
from ecomgpt.tasks.prompt import Prompt

TOKENIZER = "tokenizer.json"


@dataclass
class Tokens:
    """The examples of a batch.

    Attributes:
        ids: Token ids of all examples, one after the other, shape (tokens,), uint32.
        facts: An array of shape (examples,) for each of `ecomgpt.data.store.FACTS`; rows count within the batch.
        read: Rows of the batch.
        dropped: (reason, number of the task) of the rows that gave no example.
    """

    ids: np.ndarray
    facts: dict[str, np.ndarray]
    read: int
    dropped: Counter[tuple[str, int]]


class Tokeniser:
    """Tokenises record batches of instructions.

    Args:
        folder: Holds the tokenizer's file.
        end: Id of the end of sequence.
        max_length: Tokens of an example.
        numbers: Number of each task.
    """

    def __init__(self, folder: Path, end: int, max_length: int, numbers: dict[str, int]) -> None:
        from tokenizers import Tokenizer

        # Our own processes take the cores already.
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.end, self.max_length, self.numbers = end, max_length, numbers

    def __call__(self, batch: pa.RecordBatch) -> Tokens:
        columns = {
            name: batch.column(name).to_pylist() for name in ("before", "input", "after", "target", "task", "language")
        }
        prompts = [Prompt(*parts) for parts in zip(columns["before"], columns["input"], columns["after"], strict=True)]
        ids: list[list[int]] = []
        facts: list[tuple[int, int, int, int, int, bool]] = []  # in the order of FACTS
        dropped: Counter[tuple[str, int]] = Counter()
        encoded = encode_examples(self.tokenizer, self.end, prompts, columns["target"], self.max_length)
        for row, one in enumerate(encoded):
            task = self.numbers[columns["task"][row]]
            if one is None:
                dropped["too_long", task] += 1
            elif one.cut_tokens and choices_in_input(prompts[row], batch.column("candidates")[row].as_py()):
                dropped["choices_cut", task] += 1
            else:
                ids.append(one.ids)
                length, chinese = len(one.ids), columns["language"][row] == "zh"
                facts.append((length, length - one.prompt_tokens, task, row, one.cut_tokens, chinese))
        arrays = dict(zip(FACTS, np.array(facts, dtype=np.int32).reshape(-1, len(FACTS)).T, strict=True))
        flat = np.fromiter(chain.from_iterable(ids), dtype=np.uint32, count=int(arrays["lengths"].sum()))
        return Tokens(flat, arrays, len(batch), dropped)


def choices_in_input(prompt: Prompt, candidates: list[str]) -> bool:
    """Whether the answer's choices stand in the input text, so that cutting it could take the right one away."""
    wording = prompt.before + prompt.after
    shown = all(choice in prompt.input for choice in candidates)
    return bool(candidates) and shown and not all(choice in wording for choice in candidates)


def tally(examples: Examples, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """What a split's token files hold, by task: examples, tokens and so on; ``names`` in the order of their numbers."""
    figures = {
        "examples": None,
        "tokens": examples.lengths,
        "target_tokens": examples.num_targets,
        "truncated": examples.cut > 0,
        "cut_tokens": examples.cut,
        "chinese": examples.chinese,
    }
    return {
        key: dict(zip(names, np.bincount(examples.tasks, values, len(names)).astype(int).tolist(), strict=True))
        for key, values in figures.items()
    }
