"""What answers an evaluation's questions: one module each behind one small protocol.

A module ``<name>.py`` has a function ``make(subject) -> Backend`` and imports what is heavy only when the first row is
answered, so that scoring finished predictions again loads nothing. `backend` picks the module by ``eval.backend``.
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
    """An answer as a backend gives it.

    Attributes:
        row: Its index among those that were asked.
        text: The raw text, as the model wrote it.
        cut: How many prompt tokens were cut off.
    """

    row: int
    text: str
    cut: int = 0


class Backend(Protocol):
    """Answers rows.

    Attributes:
        name: What answers, for ``metrics.json`` and the report.
        shards: Whether the rows of a task may be spread over ``trainer.devices`` processes, each with a backend of its own.
    """

    name: str
    shards: bool

    def answer(self, task: EvalTask, rows: Sequence[EvalRow]) -> Iterator[Reply]:
        """Answers every row once, in any order; each answer is on disk before the next is asked for."""

    def settings(self) -> dict[str, Any]:
        """What the answers depend on beside model and questions, for ``settings`` of ``metrics.json``."""


@dataclass(frozen=True)
class Subject:
    """The model that is evaluated.

    Attributes:
        config: The run's configuration.
        folder: An exported model; None stands for the backbone that ``config.model`` names.
        tokenizer: Gives the tokenizer of a backbone that is built from nothing.
    """

    config: Config
    folder: Path | None = None
    tokenizer: Callable[[], Any] | None = None

    @property
    def name(self) -> str:
        """What is evaluated, for people."""
        return str(self.folder or self.config.model.path or self.config.model.name)


def backend(subject: Subject) -> Backend:
    """The backend that ``eval.backend`` names; ``auto`` takes the one that fits ``model.source``."""
    name = subject.config.eval.backend
    if name == "auto":
        name = {"chat": "openai", "predictions": "predictions"}.get(subject.config.model.source, "transformers")
    return importlib.import_module(f"{__name__}.{name}").make(subject)
