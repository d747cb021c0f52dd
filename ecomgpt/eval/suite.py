"""The rows of an evaluation task, whatever its format."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from ecomgpt.errors import UserError
from ecomgpt.eval.released import read_released
from ecomgpt.eval.rows import EvalRow, from_instruction
from ecomgpt.eval.task import EvalTask
from ecomgpt.tasks.instruction import Instruction


def load_rows(
    task: EvalTask,
    data: Path,
    *,
    seed: int,
    limit: int | None = None,
    candidates: str = "sample",
    max_candidates: int = 20,
    instructions: Callable[[str], Iterable[Instruction]] | None = None,
) -> list[EvalRow]:
    """The rows to answer, in the order of the source.

    Args:
        task: Its declaration.
        data: ``paths.data``.
        seed: For the candidates that prompts offer.
        limit: At most so many rows, chosen by their ids alone: the same rows in every run, and those of a smaller limit are
            among those of a larger one.
        candidates: As in `ecomgpt.eval.released.read_released`.
        max_candidates: As there.
        instructions: Gives the test rows of a mixture task, ``<dataset>.<task>``.

    Raises:
        UserError: If there are no rows, or a file is broken.
    """
    if task.format == "released":
        rows = read_released(task, data, seed=seed, candidates=candidates, max_candidates=max_candidates)
    else:
        if instructions is None:
            raise UserError(f"the evaluation task '{task.name}' needs the sources of '{task.task}'; set sources=")
        rows = [
            from_instruction(instruction, task.name, task.kind)
            for instruction in instructions(task.task or "")
            if task.language in ("mul", instruction.language)
        ]
        if not rows:
            raise UserError(
                f"the evaluation task '{task.name}' has no rows: '{task.task}' gives none in its test split"
            )
    return choose(rows, limit)


def choose(rows: list[EvalRow], limit: int | None) -> list[EvalRow]:
    """``limit`` rows by the hash of their ids, in their old order."""
    if limit is None or len(rows) <= limit:
        return rows
    ranked = sorted(rows, key=lambda row: hashlib.blake2b(row.id.encode(), digest_size=8).digest())
    kept = {row.id for row in ranked[:limit]}
    return [row for row in rows if row.id in kept]
