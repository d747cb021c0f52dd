"""What made an answer, as one hash: the model's contents, how it decodes, and the code and libraries that do it.

Answers on disk carry it, so that those of another model, or of other settings, are never taken for this one's.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from ecomgpt.common.hashing import code_hash, source_hash, value_hash
from ecomgpt.common.sealed import known_hash
from ecomgpt.config.roots import PACKAGE
from ecomgpt.config.schema import Config, EvalConfig
from ecomgpt.eval.backends import ModelSpec
from ecomgpt.eval.backends.transformers import limits
from ecomgpt.eval.task import EvalTask

WEIGHTS = (".safetensors", ".gguf", ".json", ".model", ".txt", ".py")
"""Files that decide what a folder's model says."""
LIBRARIES = ("torch", "transformers", "tokenizers")


def answerer(spec: ModelSpec, settings: dict[str, Any]) -> str:
    """Names what answers: a model and the way in which it decodes.

    Args:
        spec: The model.
        settings: The backend's own (`ecomgpt.eval.backends.Backend.settings`).
    """
    weights = contents(spec)
    # A hub model whose weights are not on this machine yet is known by its name alone.
    named = [weights] if weights is not None else [spec.config.model.path, spec.config.model.revision]
    # In float32 a text does not depend on the batches, so that an evaluation may go on with other ones.
    free = {"batch_tokens"} if settings.get("dtype") == "float32" else set()
    return value_hash(
        [named, decoded_by(spec.config, {key: value for key, value in settings.items() if key not in free})]
    )


def made_by(answerer: str, settings: EvalConfig, task: EvalTask) -> str:
    """Names what answers a task's questions: its limits and its way of decoding count as well."""
    return value_hash([answerer, limits(settings, task), task.decoding or settings.decoding])


def contents(spec: ModelSpec) -> list[Any] | None:
    """The model's contents; None where its weights are not here."""
    if spec.folder is not None:
        return folder_contents(spec.folder)
    return _built(spec) if spec.config.model.source == "build" else _loaded(spec.config)


def decoded_by(config: Config, settings: dict[str, Any]) -> list[Any]:
    """What decides answers beside model and questions: settings, kind of device, libraries and our code."""
    from ecomgpt.runtime.machine import on_gpu

    libraries = {name: version(name) for name in LIBRARIES}
    code = [code_hash(PACKAGE / room) for room in ("eval", "model", "tasks")]
    return [settings, on_gpu(config.trainer), libraries, code, source_hash(PACKAGE / "data" / "encode.py")]


def _built(spec: ModelSpec) -> list[Any]:
    """A model that is built from nothing is its shape, its tokenizer and the seed."""
    model = spec.config.model
    tokenizer = spec.tokenizer() if spec.tokenizer else None
    shape = [model.hidden_size, model.layers, model.heads, model.initializer_range, spec.config.seed]
    return [*shape, tokenizer.backend_tokenizer.to_str() if tokenizer else None]


def _loaded(config: Config) -> list[Any] | None:
    """The contents of a folder's weights and tokenizer; of a hub model, the contents' names in the hub cache."""
    from ecomgpt.model.locate import locate

    found = locate(config.model, config.paths.models)
    place = (
        Path(found.path) if found.path and Path(found.path).is_dir() else _snapshot(found.path, config.model.revision)
    )
    return None if place is None else folder_contents(place, config.model.gguf_file)


def folder_contents(folder: Path, gguf: str | None = None) -> list[Any]:
    """Name and hash of every file that decides what a folder's model says.

    Args:
        folder: The model.
        gguf: The one GGUF file that counts.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix in WEIGHTS and path.suffix != ".gguf")
    # The hub cache links to files that are named by the hash of their contents.
    return [
        (path.name, path.resolve().name if path.is_symlink() else known_hash(path))
        for path in [*files, *([folder / gguf] if gguf else [])]
    ]


def _snapshot(name: str | None, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(name, "config.json", revision=revision) if name and name.count("/") == 1 else None
    return Path(path).parent if isinstance(path, str) else None
