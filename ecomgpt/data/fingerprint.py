"""What a prepared mixture depends on, as one hash: configuration, declarations, code and the data files' contents."""

import dataclasses
import json
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecomgpt.config.roots import PACKAGE, declarations
from ecomgpt.config.schema import Config
from ecomgpt.data.instructions import Found, data_root
from ecomgpt.sources.catalog import locate

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

ROOMS = ("sources", "tasks", "data")
"""The rooms whose code decides what a mixture holds."""


def of_instructions(config: Config, found: Found, held_out: Iterable[str], protected: Iterable[tuple[str, str]]) -> str:
    """Names the instructions of a mixture."""
    data = dataclasses.asdict(config.data)
    files = [
        (dataset.name, split, path.name, file_hash(path))
        for dataset in found.datasets
        for split, path in locate(dataset, data_root(config))
    ]
    # Labelled records have no declaration of their own: what stands in their manifest decides as well.
    labelled = [[one.name, one.records, one.labels, one.options] for one in found.datasets if one.splits_of]
    yamls = [file_hash(path) for group in ("tasks", "sources/datasets") for path in declarations(group, config.paths.conf)]
    code = [file_hash(path) for room in ROOMS for path in sorted((PACKAGE / room).rglob("*")) if path.suffix in (".py", ".yaml", ".json", ".toml")]
    return digest(
        [data, config.seed, config.sources.max_bad_rows, config.sources.options, config.eval.tasks, files, labelled, yamls, code, sorted(held_out), sorted(set(protected))]
    )


def of_tokens(instructions: str, tokenizer: str, max_length: int) -> str:
    """Names the same instructions, tokenised."""
    return digest([instructions, tokenizer, max_length])


def of_tokenizer(tokenizer: "PreTrainedTokenizerFast") -> str:
    """Names a tokenizer: its rules and vocabulary, and the token that ends an answer."""
    return digest([tokenizer.backend_tokenizer.to_str(), tokenizer.eos_token_id])


def digest(value: Any) -> str:
    """A short, stable name for plain data."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def file_hash(path: Path) -> str:
    """The hash of a file's contents; a generator's stand-in path has none."""
    if not path.is_file():
        return ""
    result = blake2b(digest_size=12)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            result.update(chunk)
    return result.hexdigest()
