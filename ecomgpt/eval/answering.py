"""Answers a whole suite, by this process alone or as one of several, with the time that is left."""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from ecomgpt.common.log import log
from ecomgpt.common.progress import track
from ecomgpt.eval.backends import Backend
from ecomgpt.eval.predictions import answer_missing, finish, missing
from ecomgpt.eval.rows import Answer
from ecomgpt.eval.suite import Suite

Passes = Sequence[tuple[Path, Backend]]
"""Models that answer the suite one after the other, each with the folder that its answers go to."""


def unanswered(suite: Suite, passes: Passes) -> int:
    """How many answers are not on disk yet."""
    return sum(
        len(missing(_file(folder, task.name), rows, backend.made_by(task)))
        for folder, backend in passes
        for task, rows in suite
    )


def answer_suite(suite: Suite, passes: Passes) -> None:
    """Answers what is missing of this process's share; the first process shows how far its share is."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    share: Suite = [(task, rows[rank::world]) for task, rows in suite]
    total = unanswered(share, passes)
    answers = _answer(suite, passes, rank, world)
    what = "answering" if world == 1 else f"answering, process 1 of {world}"
    for _ in track(answers, what, total) if rank == 0 and total else answers:
        pass


def collect(suite: Suite, folder: Path, backend: Backend) -> dict[str, list[Answer]]:
    """All answers of a pass by task, once all are there; each task's file is put into the order of its rows."""
    return {task.name: finish(_file(folder, task.name), rows, backend.made_by(task)) for task, rows in suite}


def _answer(suite: Suite, passes: Passes, rank: int, world: int) -> Iterator[Answer]:
    for folder, backend in passes:
        for task, rows in suite:
            file, answer = _file(folder, task.name), partial(backend.answer, task)
            yield from answer_missing(file, rows, answer, rank, world, backend.made_by(task))
            log.info("answered: %s, %s, %d rows", backend.name, task.name, len(rows))


def _file(folder: Path, task: str) -> Path:
    return folder / f"{task}.jsonl"
