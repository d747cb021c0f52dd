"""Answers of a model before training, kept by content: the jobs of a sweep that start from one backbone ask it once.

A task's file of answers lies under ``<paths.cache>/answers/``, named by everything that it depends on: the weights, the
tokenizer, the questions, how answers are decoded, and the code and libraries that do it. It is copied byte by byte.
What cannot be named by its content (an endpoint, a hub model that is not on this machine yet) is asked again.
"""

import shutil
from dataclasses import astuple
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ecomgpt.common.files import replacing
from ecomgpt.common.hashing import code_hash, file_hash, value_hash
from ecomgpt.common.log import log
from ecomgpt.config.roots import PACKAGE
from ecomgpt.config.schema import Config
from ecomgpt.eval.backends import Backend, ModelSpec
from ecomgpt.eval.backends.transformers import limits
from ecomgpt.eval.rows import EvalRow
from ecomgpt.eval.suite import Suite
from ecomgpt.eval.task import EvalTask

WEIGHTS = (".safetensors", ".gguf", ".json", ".model", ".txt")
"""Files that decide what a folder's model says."""
LIBRARIES = ("torch", "transformers", "tokenizers")


class Reuse:
    """The answers of one untrained model.

    Args:
        spec: The model.
        backend: What answers for it.
    """

    def __init__(self, spec: ModelSpec, backend: Backend) -> None:
        self.spec = spec
        self.backend = backend
        self.folder = Path(spec.config.paths.cache).expanduser() / "answers"

    @classmethod
    def of(cls, backend: Backend) -> "Reuse | None":
        """For a backend that decodes a backbone's own weights; None for any other."""
        spec = getattr(backend, "spec", None)
        return cls(spec, backend) if isinstance(spec, ModelSpec) and spec.folder is None else None

    def recall(self, suite: Suite, folder: Path) -> int:
        """Copies what is there into ``folder``, task by task, unless answering has begun; returns how many tasks were
        found."""
        model = self.model()
        found = 0
        for task, rows in suite if model else ():
            kept, wanted = self.file(model, task, rows), folder / f"{task.name}.jsonl"
            if kept.is_file() and not any(folder.glob(f"{task.name}.jsonl*")):
                _copy(kept, wanted)
                log.info("answered before by the same model: %s, %s", self.backend.name, task.name)
                found += 1
        return found

    def keep(self, suite: Suite, folder: Path) -> None:
        """Copies the finished answers in ``folder`` to where other runs find them."""
        model = self.model()
        for task, rows in suite if model else ():
            kept = self.file(model, task, rows)
            if not kept.is_file():
                _copy(folder / f"{task.name}.jsonl", kept)

    def file(self, model: str, task: EvalTask, rows: list[EvalRow]) -> Path:
        """Where the answers to a task's questions are kept."""
        questions = [astuple(row) for row in rows]
        return (
            self.folder
            / f"{value_hash([model, task.name, limits(self.spec.config.eval, task), task.decoding, questions])}.jsonl"
        )

    def model(self) -> str:
        """Names the model with all that decides its answers beside the questions; empty where its weights are not
        here."""
        from ecomgpt.runtime.machine import on_gpu

        config = self.spec.config
        weights = self._built() if config.model.source == "build" else _loaded(config)
        if weights is None:
            return ""
        libraries = {name: version(name) for name in LIBRARIES}
        rooms = [code_hash(PACKAGE / room) for room in ("data", "eval", "model", "tasks")]
        return value_hash(
            [weights, type(self.backend).__name__, self.backend.settings(), on_gpu(config.trainer), libraries, rooms]
        )

    def _built(self) -> list[Any]:
        """A model that is built from nothing is its shape, its tokenizer and the seed."""
        model = self.spec.config.model
        tokenizer = self.spec.tokenizer() if self.spec.tokenizer else None
        shape = [model.hidden_size, model.layers, model.heads, model.initializer_range, self.spec.config.seed]
        return [*shape, tokenizer.backend_tokenizer.to_str() if tokenizer else None]


def _loaded(config: Config) -> list[Any] | None:
    """The contents of a folder's weights and tokenizer; of a hub model, the contents' names in the hub cache."""
    from ecomgpt.model.locate import locate

    found = locate(config.model, config.paths.models)
    place = (
        Path(found.path) if found.path and Path(found.path).is_dir() else _snapshot(found.path, config.model.revision)
    )
    if place is None:
        return None
    wanted = [place / config.model.gguf_file] if config.model.gguf_file else []
    files = sorted(path for path in place.iterdir() if path.suffix in WEIGHTS and path.suffix != ".gguf")
    # The hub cache links to files that are named by the hash of their contents.
    return [(path.name, path.resolve().name if path.is_symlink() else file_hash(path)) for path in [*files, *wanted]]


def _snapshot(name: str | None, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(name, "config.json", revision=revision) if name and name.count("/") == 1 else None
    return Path(path).parent if isinstance(path, str) else None


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
