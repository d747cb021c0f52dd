"""Answers on disk: JSON Lines, written as they come, continued after an interruption and scored without a model.

While a task is decoded its answers stand in ``<task>.jsonl.part<process>`` in the order in which they come; once all
are there they become ``<task>.jsonl`` in the order of the rows.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import write_bytes
from ecomgpt.common.jsonl import drop_torn_line, encode_line, read_lines
from ecomgpt.eval.rows import Answer, EvalRow
from ecomgpt.tasks.prompt import Prompt

Answerer: TypeAlias = Callable[[Sequence[EvalRow]], Iterator[tuple[int, str, int]]]
"""Rows to (index of the row, raw text, prompt tokens cut), each row once, in any order; see `ecomgpt.eval.backends`."""


_BROKEN = (ValueError, KeyError, TypeError, RecursionError)
"""What a line that is no prediction raises."""


def predict(path: Path, rows: Sequence[EvalRow], answer: Answerer) -> list[Answer]:
    """Answers all rows that are not answered yet and completes the file; the work of one process.

    Args:
        path: ``predictions/<task>.jsonl``.
        rows: Of one task.
        answer: Answers them; not called where nothing is missing.

    Returns:
        All answers, in the order of the rows.
    """
    for _ in answer_missing(path, rows, answer):
        pass
    return finish(path, rows)


def missing(path: Path, rows: Sequence[EvalRow]) -> list[EvalRow]:
    """The rows that have no answer on disk."""
    done = _known(path, rows)
    return [row for row in rows if row.id not in done]


def answer_missing(
    path: Path, rows: Sequence[EvalRow], answer: Answerer, rank: int = 0, world: int = 1
) -> Iterator[Answer]:
    """Answers this process's share of the missing rows (every ``world``-th) and yields each answer once written."""
    share = missing(path, rows[rank::world])
    if not share:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part{rank}")
    drop_torn_line(part)
    with part.open("ab") as file:
        for index, text, cut in answer(share):
            answered = Answer(share[index], text, cut)
            file.write(encode_line(to_json(answered)))
            file.flush()
            yield answered


def finish(path: Path, rows: Sequence[EvalRow]) -> list[Answer]:
    """Puts the answers of all processes together, in the order of the rows, and removes the parts.

    Raises:
        RuntimeError: If a row has no answer: a backend broke its promise.
    """
    done = _known(path, rows)
    lost = [row.id for row in rows if row.id not in done]
    if lost:
        raise RuntimeError(f"{path}: {len(lost)} rows have no answer, the first is {lost[0]}")
    answers = [Answer(row, *done[row.id]) for row in rows]
    write_bytes(path, b"".join(encode_line(to_json(answer)) for answer in answers))
    for part in path.parent.glob(f"{path.name}.part*"):
        part.unlink()
    return answers


def read_answers(path: Path) -> list[Answer]:
    """A finished file, parsed anew: the stored ``parsed`` and ``valid`` are for people and other programs.

    Raises:
        UserError: For a file that can't be read, and for every line that is no prediction, with file and line.
    """
    answers: list[Answer] = []
    problems: list[str] = []
    try:
        with path.open("rb"):
            pass
        for number, line in read_lines(path):
            try:
                answers.append(_decode(line))
            except _BROKEN as error:
                problems.append(f"{path}:{number}: is no prediction ({type(error).__name__}: {error})")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if problems:
        raise UserError(*problems[:20])
    if not answers:
        raise UserError(f"{path}: holds no predictions")
    return answers


def to_json(answer: Answer) -> dict[str, Any]:
    """An answer as one line of the file holds it."""
    row = answer.row
    start = len(row.prompt.before)
    return {
        "id": row.id,
        "task": row.task,
        "prompt": row.prompt.text,
        "target": row.target,
        "prediction": answer.text,
        "parsed": answer.parsed.items,
        "valid": answer.parsed.valid,
        "cut_tokens": answer.cut,
        "candidates": row.candidates,
        "form": row.form,
        "kind": row.kind,
        "separator": row.separator,
        "language": row.language,
        "source": row.source,
        "record": row.record,
        "gold": row.gold,
        "input": [start, start + len(row.prompt.input)],
    }


def _decode(line: bytes) -> Answer:
    values = json.loads(line)
    start, end = values["input"]
    prompt, text = values["prompt"], values["prediction"]
    if not isinstance(text, str):
        raise TypeError(f"'prediction' is {type(text).__name__}")
    row = EvalRow(
        id=values["id"],
        task=values["task"],
        prompt=Prompt(prompt[:start], prompt[start:end], prompt[end:]),
        target=values["target"],
        candidates=tuple(values["candidates"]),
        form=values["form"],
        kind=values["kind"],
        separator=values["separator"],
        language=values["language"],
        source=values["source"],
        record=values.get("record", ""),
        gold=tuple(tuple(item) if isinstance(item, list) else item for item in values.get("gold", ())),
    )
    return Answer(row, text, values["cut_tokens"])


def _known(path: Path, rows: Sequence[EvalRow]) -> dict[str, tuple[str, int]]:
    """Answers that are on disk already, by id, where the question is still the same."""
    questions = {row.id: (row.prompt.text, row.target) for row in rows}
    found: dict[str, tuple[str, int]] = {}
    for file in [path, *sorted(path.parent.glob(f"{path.name}.part*"))]:
        for _, line in read_lines(file):
            try:
                answer = _decode(line)
            except _BROKEN:
                continue  # The torn end of an interrupted run: its row is answered again.
            if questions.get(answer.row.id) == (answer.row.prompt.text, answer.row.target):
                found[answer.row.id] = (answer.text, answer.cut)
    return found
