"""What answers an evaluation's questions: one module each behind one small protocol.

A module ``<name>.py`` has a function ``make(spec) -> Backend`` and imports what is heavy only when the first row is
answered, so that rescoring finished predictions loads nothing. `backend` picks the module by ``eval.backend``.
"""

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ecomgpt.config.schema import Config
from ecomgpt.eval.rows import EvalRow
from ecomgpt.eval.task import EvalTask


class Reply(NamedTuple):
    """An answer from a backend.

    Attributes:
        row: Index of the row that it answers.
        text: The raw text, as the model wrote it.
        cut: Number of prompt tokens that were cut off.
    """

    row: int
    text: str
    cut: int = 0


class Backend(Protocol):
    """Answers rows.

    Attributes:
        name: What answers, for ``metrics.json`` and the report.
        shards: True if a task's rows may be spread over ``trainer.devices`` processes, each with its own backend.
    """

    name: str
    shards: bool

    def answer(self, task: EvalTask, rows: Sequence[EvalRow]) -> Iterator[Reply]:
        """Answers every row once, in any order; each answer is on disk before the next is requested."""

    def made_by(self, task: EvalTask) -> str:
        """Names what decides the answers to given questions, kept with each answer; see `ecomgpt.eval.identity`."""

    def settings(self) -> dict[str, Any]:
        """What the answers depend on besides model and questions, for ``settings`` in ``metrics.json``."""


@dataclass(frozen=True)
class ModelSpec:
    """The model that is evaluated.

    Attributes:
        config: The run's configuration.
        folder: An exported model; None for the backbone that ``config.model`` names.
        tokenizer: Returns the tokenizer of a backbone that is built from its config.
    """

    config: Config
    folder: Path | None = None
    tokenizer: Callable[[], Any] | None = None

    @property
    def name(self) -> str:
        """The model's name, for people."""
        return str(self.folder or self.config.model.path or self.config.model.name)


def backend(spec: ModelSpec) -> Backend:
    """The backend that ``eval.backend`` names; ``auto`` picks by ``model.source``."""
    name = spec.config.eval.backend
    if name == "auto":
        name = {"chat": "openai", "predictions": "predictions"}.get(spec.config.model.source, "transformers")
    return importlib.import_module(f"{__name__}.{name}").make(spec)
