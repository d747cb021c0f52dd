"""Answers made elsewhere: a folder with one ``<task>.jsonl`` for each task of the suite, scored like a model's own.

A line is an object with ``id``, the row's id, and ``prediction``, the raw text. Other fields are ignored, except that
``prompt`` and ``target``, where given, must be those of the row, so that an answer to another question never counts. A
run directory, or its ``predictions/``, is such a folder. The rows to answer are written to ``questions/<task>.jsonl``
of the run directory.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import write_bytes
from ecomgpt.common.hashing import file_hash
from ecomgpt.common.jsonl import encode_line, parse_json
from ecomgpt.eval.backends import ModelSpec, Reply
from ecomgpt.eval.rows import EvalRow
from ecomgpt.eval.suite import Suite
from ecomgpt.eval.task import EvalTask

MOST_PROBLEMS = 20


class Predictions:
    """Reads answers from files.

    Args:
        folder: Holds ``<task>.jsonl`` files, directly or in ``predictions/``.
    """

    shards = False

    def __init__(self, folder: Path) -> None:
        inside = folder / "predictions"
        self.folder = inside if inside.is_dir() else folder
        self.name = f"predictions in {folder}"

    def answer(self, task: EvalTask, rows: Sequence[EvalRow]) -> Iterator[Reply]:
        texts, problems = read_texts(self.folder / f"{task.name}.jsonl", rows)
        if problems:
            raise UserError(*problems[:MOST_PROBLEMS])
        for at, row in enumerate(rows):
            yield Reply(at, *texts[row.id])

    def made_by(self, task: EvalTask) -> str:
        return file_hash(self.folder / f"{task.name}.jsonl")

    def settings(self) -> dict[str, Any]:
        return {"decoding": "read from files"}

    def check(self, suite: Suite, questions: Path) -> None:
        """Checks all files before any is scored, and writes the questions that they answer.

        Raises:
            UserError: With the problems of all files.
        """
        problems: list[str] = []
        for task, rows in suite:
            write_questions(questions / f"{task.name}.jsonl", rows)
            problems += read_texts(self.folder / f"{task.name}.jsonl", rows)[1]
        if problems:
            more = [f"and {len(problems) - MOST_PROBLEMS} more"] if len(problems) > MOST_PROBLEMS else []
            advice = f"The questions of the suite, with their ids, were written to {questions}"
            raise UserError(*problems[:MOST_PROBLEMS], *more, advice=[advice])


def read_texts(path: Path, rows: Sequence[EvalRow]) -> tuple[dict[str, tuple[str, int]], list[str]]:
    """Reads a file's answers.

    Args:
        path: JSON Lines; answers to other rows of the task are ignored, so that a file may serve any ``eval.limit``.
        rows: The rows that need an answer.

    Returns:
        (text, number of prompt tokens cut) by row id, and everything that is wrong with the file.
    """
    questions = {row.id: row for row in rows}
    texts: dict[str, tuple[str, int]] = {}
    lines: dict[str, int] = {}
    problems: list[str] = []
    try:
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        return texts, [
            f"{path}: cannot be read: {error.strerror}; it must hold the answers to this task's {len(rows)} rows"
        ]
    for number, line in enumerate(content, start=1):
        if not line.strip():
            continue
        try:
            id_, text, cut, given = _fields(line)
        except (ValueError, KeyError, TypeError) as error:
            problems.append(
                f"{path}:{number}: is no object with the texts 'id' and 'prediction' ({type(error).__name__}: {error})"
            )
            continue
        if id_ in lines:
            problems.append(f"{path}:{number}: answers '{id_}' again, after line {lines[id_]}; leave one of them out")
        lines.setdefault(id_, number)
        if id_ in questions:
            problems += (f"{path}:{number}: {problem}" for problem in _other_question(questions[id_], given))
            texts[id_] = (text, cut)
    missing = [id_ for id_ in questions if id_ not in lines]
    if missing and not problems:
        first = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        problems.append(f"{path}: {len(missing)} of {len(rows)} rows have no answer: {first}")
    return texts, problems


def _fields(line: bytes) -> tuple[str, str, int, dict[str, Any]]:
    given = parse_json(line)
    id_, text, cut = given["id"], given["prediction"], given.get("cut_tokens", 0)
    if not (isinstance(id_, str) and isinstance(text, str)):
        raise TypeError(f"'id' is {type(id_).__name__}, 'prediction' is {type(text).__name__}")
    return id_, text, cut if isinstance(cut, int) else 0, given


def _other_question(row: EvalRow, given: dict[str, Any]) -> Iterator[str]:
    for key, own in (("prompt", row.prompt.text), ("target", row.target)):
        if key in given and given[key] != own:
            yield (
                f"'{row.id}' has another {key} here than in this suite; "
                f"use the same eval settings and data, or leave '{key}' out"
            )


def write_questions(path: Path, rows: Sequence[EvalRow]) -> None:
    """Writes ``id``, ``prompt``, ``candidates`` and ``target`` of each row, one per line."""
    fields = [
        {"id": row.id, "prompt": row.prompt.text, "candidates": row.candidates, "target": row.target} for row in rows
    ]
    write_bytes(path, b"".join(map(encode_line, fields)))


def make(spec: ModelSpec) -> Predictions:
    """The backend of ``model=predictions``."""
    path = spec.config.model.path
    if path is None or not Path(path).expanduser().is_dir():
        raise UserError(
            f"model.path: '{path}' is no folder with a <task>.jsonl for each task; give model.path=<folder>"
        )
    return Predictions(Path(path).expanduser())
