"""Answers of a model before training, kept by content: the jobs of a sweep that start from one backbone ask it once.

A task's file of answers lies under ``<paths.cache>/answers/``, named by everything that it depends on: the weights, the
tokenizer, the questions, how answers are decoded, and the code and libraries that do it. It is copied byte by byte.
What cannot be named by its content (an endpoint, a hub model that is not on this machine yet) is asked again.
"""

import shutil
import sys
from dataclasses import astuple
from pathlib import Path

from ecomgpt.common.files import replacing
from ecomgpt.common.hashing import value_hash
from ecomgpt.common.jsonl import read_lines
from ecomgpt.common.log import log
from ecomgpt.eval.backends import Backend, ModelSpec
from ecomgpt.eval.backends.transformers import limits
from ecomgpt.eval.identity import contents, decoded_by
from ecomgpt.eval.predictions import damage
from ecomgpt.eval.rows import EvalRow
from ecomgpt.eval.suite import Suite
from ecomgpt.eval.task import EvalTask


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
            if _whole(kept, len(rows)) and not any(folder.glob(f"{task.name}.jsonl*")):
                _copy(kept, wanted)
                log.info("answered before by the same model: %s, %s", self.backend.name, task.name)
                found += 1
        return found

    def keep(self, suite: Suite, folder: Path) -> None:
        """Copies the finished answers in ``folder`` to where other runs find them."""
        model = self.model()
        for task, rows in suite if model else ():
            kept = self.file(model, task, rows)
            if not _whole(kept, len(rows)):
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
        weights = contents(self.spec)
        if weights is None:
            return ""
        return value_hash([weights, type(self.backend).__name__, decoded_by(self.spec.config, self.backend.settings())])


def _whole(kept: Path, rows: int) -> bool:
    """Whether every line of a kept file is as it was written; a damaged file is told, and replaced."""
    if not kept.is_file():
        return False
    broken, changed = damage(kept)
    whole = not broken and not changed and sum(1 for _ in read_lines(kept)) == rows
    if not whole:
        print(f"  the kept answers '{kept}' are damaged; they are given again", file=sys.stderr, flush=True)
        kept.unlink()
    return whole


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
