"""Prepares a mixture: datasets to chosen instructions to token files, each stage cached by its fingerprint.

Both stages work on pieces in several processes (`ecomgpt.data.parallel`): blocks of records become files of
instructions, from which the chosen ones are merged; record batches of instructions become token ids.
"""

from pathlib import Path
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import read_json
from ecomgpt.common.hashing import value_hash
from ecomgpt.common.sealed import damage
from ecomgpt.config.schema import Config
from ecomgpt.data import fingerprint
from ecomgpt.data.cache import cached_dir
from ecomgpt.data.instruction_stage import write_instruction_files
from ecomgpt.data.instructions import FoundDatasets, find
from ecomgpt.data.manifest import FILE, merge_manifests
from ecomgpt.data.prepared import Prepared
from ecomgpt.data.protect import Protection
from ecomgpt.data.token_stage import TokenizerSource, write_token_files
from ecomgpt.data.tokens import TOKENIZER


def prepare(config: Config, protection: Protection, tokenizer: TokenizerSource) -> Prepared:
    """Builds the mixture, or finds it in the cache.

    Raises:
        UserError: If no dataset is there, no task is left, a file is broken, or the mixture is smaller than its budget.
    """
    found = find(config.data, config.sources, config.paths, config.eval.tasks)
    texts, tokens, made_of = _folders(config, found, protection, tokenizer)
    try:
        cached_dir(texts, lambda folder: write_instruction_files(config, found, protection, folder))
        cached_dir(tokens, lambda folder: write_token_files(config.data, texts, tokenizer, folder))
    except OSError as error:
        raise UserError(
            f"paths.cache: cannot write '{error.filename or tokens.parent.parent}': {error.strerror}; "
            "give paths.cache=<folder>"
        ) from error
    manifest = {**_manifest(texts, tokens), "made_of": made_of}
    return Prepared(tokens, texts, lambda: tokenizer.load(tokens / TOKENIZER), manifest)


def prepared_before(config: Config, protection: Protection, tokenizer: TokenizerSource) -> dict[str, Any] | None:
    """The manifest of a mixture in the cache; None where it was never built."""
    found = find(config.data, config.sources, config.paths, config.eval.tasks)
    texts, tokens, _ = _folders(config, found, protection, tokenizer)
    return _manifest(texts, tokens) if damage(texts) is None and damage(tokens) is None else None


def _folders(
    config: Config, found: FoundDatasets, protection: Protection, tokenizer: TokenizerSource
) -> tuple[Path, Path, dict[str, str]]:
    """Where texts and tokens lie in the cache, and a hash of each thing that they depend on."""
    cache = Path(config.paths.cache).expanduser()
    made_of = fingerprint.texts(config, found, [protection.suite, sorted(protection.tasks), protection.key])
    texts = cache / "instructions" / value_hash(made_of)
    made_of |= fingerprint.tokens(config, tokenizer.key())
    return texts, cache / "tokens" / value_hash(made_of), made_of


def _manifest(texts: Path, tokens: Path) -> dict[str, Any]:
    return merge_manifests(read_json(texts / FILE), read_json(tokens / FILE), tokens.name)
