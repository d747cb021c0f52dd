"""What a prepared mixture depends on, as one hash: configuration, declarations, code and the data files' contents.

Nothing heavy is imported or read here, so that a mixture that is there already is found in a second.
"""

import contextlib
import dataclasses
import importlib.util
import json
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.config.declare import load
from ecomgpt.config.roots import PACKAGE, declarations
from ecomgpt.config.schema import Config
from ecomgpt.data.instructions import Found, data_root
from ecomgpt.sources.catalog import locate
from ecomgpt.tasks.declaration import Task

ROOMS = ("sources", "tasks", "data")
"""The rooms whose code decides what a mixture holds."""
CODE = (".py", ".yaml", ".json", ".toml")
OF_TOKENS = ("max_length", "budget")
"""Keys of `DataConfig` on which tokens depend, but not texts."""
FREE = ("processes",)
"""Keys of `DataConfig` on which nothing depends."""


def texts(config: Config, found: Found, suite: Any) -> dict[str, str]:
    """A hash of each thing that a mixture's instructions depend on, by its name for people.

    Args:
        config: The run's configuration.
        found: The datasets.
        suite: What the evaluation keeps for itself, as plain data.
    """
    data = {key: value for key, value in dataclasses.asdict(config.data).items() if key not in OF_TOKENS + FREE}
    settings = [data, config.seed, config.sources.max_bad_rows, config.sources.options]
    result = {"the configuration": digest(settings), "the evaluation suite": digest(suite)}
    for group in ("tasks", "sources/datasets"):
        result[f"the YAML files of {group}"] = digest(
            [file_hash(path) for path in declarations(group, config.paths.conf)]
        )
    if config.paths.conf:
        result["the code of your own tasks"] = digest([file_hash(path) for path in own_code(config.paths.conf)])
    for room in ROOMS:
        result[f"the code of ecomgpt/{room}"] = code(room)
    for dataset in found.datasets:
        # Labelled records have no declaration of their own: what stands in their manifest decides as well.
        labelled = file_hash(Path(dataset.path)) if dataset.splits_of else ""
        files = [(split, path.name, file_hash(path)) for split, path in locate(dataset, data_root(config))]
        result[f"the files of {dataset.name}"] = digest([files, labelled])
    return result


def tokens(config: Config, tokenizer: str) -> dict[str, str]:
    """What tokens depend on besides the texts, as `texts` gives it.

    Args:
        config: The run's configuration.
        tokenizer: Names the tokenizer.
    """
    settings = dataclasses.asdict(config.data)
    return {"the tokenizer": tokenizer, "data.max_length and data.budget": digest([settings[key] for key in OF_TOKENS])}


def changes(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Sentences on where two mixtures, as `texts` and `tokens` describe them, differ."""
    sentences = []
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            sentences.append(
                f"{name}: " + ("new" if name not in old else "no longer there" if name not in new else "changed")
            )
    return sentences


def code(room: str) -> str:
    """The hash of a room's code."""
    return digest([file_hash(path) for path in sorted((PACKAGE / room).rglob("*")) if path.suffix in CODE])


def own_code(folder: str) -> list[Path]:
    """The modules of the user's own builders, as the tasks in their configuration folder name them (``build: my_shop.tasks.f``).

    What those modules import in turn is not followed.
    """
    found = set()
    for path in sorted((Path(folder) / "tasks").rglob("*.yaml")):
        # What is wrong with a file, or a module that is not there, is told by `load_tasks`, with all other problems.
        with contextlib.suppress(UserError, ModuleNotFoundError):
            module = load(path, Task).build.rpartition(".")[0]
            spec = importlib.util.find_spec(module) if "." in module else None
            found |= {Path(spec.origin)} if spec and spec.origin else set()
    return sorted(found)


def digest(value: Any) -> str:
    """A short, stable name for plain data."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def file_hash(path: Path) -> str:
    """The hash of a file's contents, or of all files of a folder (a copy by `save_to_disk`); a generator's stand-in has none."""
    if path.is_dir():
        return digest(
            [(one.relative_to(path).as_posix(), file_hash(one)) for one in sorted(path.rglob("*")) if one.is_file()]
        )
    if not path.is_file():
        return ""
    result = blake2b(digest_size=12)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            result.update(chunk)
    return result.hexdigest()
