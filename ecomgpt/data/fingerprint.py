"""What a prepared mixture depends on, as one hash: configuration, declarations, code and the data files' contents.

Nothing heavy is imported or read here, so that a mixture that is there already is found in about a second.
"""

import contextlib
import dataclasses
import importlib.util
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.common.hashing import code_hash, file_hash, source_hash, value_hash
from ecomgpt.config.roots import PACKAGE, declarations
from ecomgpt.config.schema import Config, DataConfig
from ecomgpt.data.instructions import FoundDatasets, data_root
from ecomgpt.sources.catalog import locate
from ecomgpt.tasks.declaration import BUILDERS, read_task

ROOMS = ("sources", "tasks", "data")
"""The rooms whose code decides what a mixture holds, but for `AFTERWARDS`."""
AFTERWARDS = {"data": ("batches.py", "datamodule.py", "pack.py", "prefetch.py", "preview.py")}
"""Modules of these rooms that only read a finished mixture."""
HELPERS = ("common/hashing.py", "common/text.py")
"""Modules of other rooms that decide as well."""
OF_TOKENS = tuple(field.name for field in fields(DataConfig) if field.metadata.get("decides") == "tokens")
"""Keys of `DataConfig` on which tokens depend, but not texts."""
OF_NOTHING = tuple(field.name for field in fields(DataConfig) if field.metadata.get("decides") == "nothing")
"""Keys of `DataConfig` on which nothing depends."""


def texts(config: Config, found: FoundDatasets, suite: Any) -> dict[str, str]:
    """Hashes each thing that a mixture's instructions depend on.

    Args:
        config: The run's configuration.
        found: The datasets.
        suite: What the evaluation protects, as plain data.

    Returns:
        Hashes by the thing's name for people.
    """
    data = {key: value for key, value in dataclasses.asdict(config.data).items() if key not in OF_TOKENS + OF_NOTHING}
    settings = [data, config.seed, config.sources.max_bad_rows, config.sources.options]
    result = {"the configuration": value_hash(settings), "the evaluation suite": value_hash(suite)}
    for group in ("tasks", "sources/datasets"):
        result[f"the YAML files of {group}"] = _hashes(declarations(group, config.paths.conf))
    if config.paths.conf:
        result["the code of your own tasks"] = _hashes(own_code(config.paths.conf))
    for room in ROOMS:
        result[f"the code of ecomgpt/{room}"] = code_hash(PACKAGE / room, AFTERWARDS.get(room, ()))
    result["the code of ecomgpt/common"] = _hashes(PACKAGE / name for name in HELPERS)
    for dataset in found.datasets:
        # Labelled records have no declaration of their own: what stands in their manifest decides as well.
        labelled = file_hash(Path(dataset.path)) if dataset.splits_of else ""
        files = [(split, path.name, file_hash(path)) for split, path in locate(dataset, data_root(config.paths))]
        result[f"the files of {dataset.name}"] = value_hash([files, labelled])
    return result


def _hashes(paths: Iterable[Path]) -> str:
    """One hash of files of code or declarations, whose names may say something too."""
    return value_hash([(path.parent.name, path.name, source_hash(path)) for path in paths])


def tokens(config: Config, tokenizer: str) -> dict[str, str]:
    """What tokens depend on besides the texts, as `texts` gives it; ``tokenizer`` identifies the tokenizer."""
    settings = dataclasses.asdict(config.data)
    of_tokens = value_hash([settings[key] for key in OF_TOKENS])
    return {"the tokenizer": tokenizer, "data.max_length and data.budget": of_tokens}


def changes(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Sentences on where two mixtures, as `texts` and `tokens` describe them, differ."""
    return [
        f"{name}: " + ("new" if name not in old else "no longer there" if name not in new else "changed")
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def own_code(folder: str) -> list[Path]:
    """The modules of the user's own builders, as their tasks name them (``build: my_shop.tasks.f``).

    What those modules import in turn is not followed.
    """
    found = set()
    for path in sorted((Path(folder) / "tasks").rglob("*.yaml")):
        # `load_tasks` reports broken files and missing modules, together with all other problems.
        with contextlib.suppress(UserError, ModuleNotFoundError):
            module = read_task(path).module
            spec = None if module.startswith(BUILDERS) else importlib.util.find_spec(module)
            found |= {Path(spec.origin)} if spec and spec.origin else set()
    return sorted(found)
