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


def parts(config: Config, found: Found, held_out: Iterable[str], protected: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A hash of each thing that a mixture's instructions depend on, by its name for people."""
    settings = [dataclasses.asdict(config.data), config.seed, config.sources.max_bad_rows, config.sources.options]
    result = {
        "the configuration": digest(settings),
        "the evaluation suite": digest([config.eval.tasks, sorted(held_out), sorted(set(protected))]),
    }
    for group in ("tasks", "sources/datasets"):
        result[f"the YAML files of {group}"] = digest([file_hash(path) for path in declarations(group, config.paths.conf)])
    for room in ROOMS:
        code = [path for path in sorted((PACKAGE / room).rglob("*")) if path.suffix in (".py", ".yaml", ".json", ".toml")]
        result[f"the code of ecomgpt/{room}"] = digest([file_hash(path) for path in code])
    for dataset in found.datasets:
        # Labelled records have no declaration of their own: what stands in their manifest decides as well.
        labelled = file_hash(Path(dataset.path)) if dataset.splits_of else ""
        files = [(split, path.name, file_hash(path)) for split, path in locate(dataset, data_root(config))]
        result[f"the files of {dataset.name}"] = digest([files, labelled])
    return result


def changes(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Sentences on where two results of `parts` differ."""
    sentences = []
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            sentences.append(f"{name}: " + ("new" if name not in old else "no longer there" if name not in new else "changed"))
    return sentences


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
