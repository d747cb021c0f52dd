"""The second stage of a mixture: instructions to token files; what is cut or dropped is counted by task."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from ecomgpt.common.files import read_json, write_json
from ecomgpt.common.progress import track
from ecomgpt.config.schema import DataConfig
from ecomgpt.data import manifest
from ecomgpt.data.budget import keep_share, keep_to_budget
from ecomgpt.data.parallel import ordered
from ecomgpt.data.prepared import SPLITS
from ecomgpt.data.store import Examples, TokenWriter, read_batches
from ecomgpt.data.tokens import TOKENIZER, Tokeniser, tally

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

SAMPLE = 20_000
"""Training examples that a tokenizer is trained on, where the model has none of its own."""


class TokenizerSource(Protocol):
    """Where the tokenizer comes from; nothing is loaded before it is needed."""

    def key(self) -> str:
        """Hash of what the tokenizer depends on, besides the texts that it may be trained on."""

    def backend(self, texts: Iterable[str]) -> tuple["Tokenizer", int]:
        """The tokenizer and the id of its end of sequence; ``texts`` are for tokenizers to be trained."""

    def load(self, path: Path) -> "PreTrainedTokenizerFast":
        """The whole tokenizer; ``path`` is a file to which `backend`'s was saved."""


def write_token_files(data: DataConfig, texts: Path, source: TokenizerSource, folder: Path) -> None:
    """Writes the tokenizer, a folder of token files for each split, and the manifest into an empty folder.

    ``texts`` is the folder of `write_instruction_files`.
    """
    known = read_json(texts / manifest.FILE)
    names = [task["name"] for task in known["tasks"]]
    tokenizer, end = source.backend(_sample(texts))
    tokenizer.save(str(folder / TOKENIZER))
    make = partial(Tokeniser, folder, end, data.max_length, {name: number for number, name in enumerate(names)})
    contents: dict[str, Any] = {"budget": {}}
    share = 1.0
    for split in SPLITS:
        (folder / split).mkdir()
        path = texts / f"{split}.arrow"
        batches = track(read_batches(path), f"tokenising {split}", known["written"][split], size=len)
        dropped: Counter[tuple[str, int]] = Counter()
        row = 0
        with TokenWriter(folder / split) as writer:
            for tokens in ordered(make, batches, data.processes):
                writer.add_many(tokens.ids, tokens.facts | {"rows": tokens.facts["rows"] + row})
                dropped += tokens.dropped
                row += tokens.read
        keys = np.load(texts / f"{split}_order.npy")
        if split == "train":
            contents["budget"], share, over = keep_to_budget(data, keys, folder / split)
        else:
            over = keep_share(share, keys, folder / split)
        contents[split] = tally(Examples(folder / split), names)
        contents[split] |= {reason: {} for reason in manifest.TOKEN_REASONS}
        for (reason, task), count in sorted((dropped + over).items()):
            contents[split][reason][names[task]] = count
    write_json(folder / manifest.FILE, contents)


def _sample(texts: Path) -> Iterator[str]:
    """Prompts and answers of the first `SAMPLE` training examples in the seeded order."""
    keys = np.load(texts / "train_order.npy")
    chosen = keys < np.partition(keys, SAMPLE)[SAMPLE] if len(keys) > SAMPLE else np.ones(len(keys), dtype=bool)
    start = 0
    for batch in read_batches(texts / "train.arrow"):
        rows = batch.filter(pa.array(chosen[start : start + len(batch)]))
        start += len(batch)
        for row in rows.select(["before", "input", "after", "target"]).to_pylist():
            yield row["before"] + row["input"] + row["after"]
            yield row["target"]
