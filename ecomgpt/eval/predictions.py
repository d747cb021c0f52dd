"""Answers on disk: JSON Lines, written as they come, continued after an interruption and scored without a model.

While a task is decoded its answers stand in ``<task>.jsonl.part<process>`` in the order in which they come; once all
are there they become ``<task>.jsonl`` in the order of the rows.

An answer is found again by its question and by what made it (``made_by``: model and decoding settings, see
`ecomgpt.eval.identity`), never by an id alone: ids may come from users, and repeat.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import write_bytes
from ecomgpt.common.jsonl import checked, drop_torn_line, encode_line, intact, read_lines
from ecomgpt.eval.rows import Answer, EvalRow
from ecomgpt.tasks.prompt import Prompt

Answerer: TypeAlias = Callable[[Sequence[EvalRow]], Iterator[tuple[int, str, int]]]
"""Rows to (index of the row, raw text, prompt tokens cut), each row once, in any order; see `ecomgpt.eval.backends`."""


class Kept(NamedTuple):
    """An answer on disk, with what made it."""

    text: str
    cut: int
    made_by: str


_BROKEN = (ValueError, KeyError, TypeError, RecursionError)
"""What a line that is no prediction raises."""


def predict(path: Path, rows: Sequence[EvalRow], answer: Answerer, made_by: str = "") -> list[Answer]:
    """Answers all rows that are not answered yet and completes the file; the work of one process.

    Args:
        path: ``predictions/<task>.jsonl``.
        rows: Of one task.
        answer: Answers them; not called where nothing is missing.
        made_by: What answers; answers on disk of anything else don't count. Empty counts all.

    Returns:
        All answers, in the order of the rows.
    """
    for _ in answer_missing(path, rows, answer, made_by=made_by):
        pass
    return finish(path, rows, made_by)


def missing(path: Path, rows: Sequence[EvalRow], made_by: str = "") -> list[EvalRow]:
    """The rows that have no answer on disk."""
    done = _known(path, made_by)
    return [row for row in rows if _question(row) not in done]


def answer_missing(
    path: Path, rows: Sequence[EvalRow], answer: Answerer, rank: int = 0, world: int = 1, made_by: str = ""
) -> Iterator[Answer]:
    """Answers this process's share of the missing rows (every ``world``-th) and yields each answer once written."""
    share = missing(path, rows[rank::world], made_by)
    if not share:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part{rank}")
    drop_torn_line(part)
    with part.open("ab") as file:
        for index, text, cut in answer(share):
            answered = Answer(share[index], text, cut)
            file.write(encode_line(to_json(answered, made_by)))
            file.flush()
            yield answered


def finish(path: Path, rows: Sequence[EvalRow], made_by: str = "") -> list[Answer]:
    """Puts the answers of all processes together, in the order of the rows, and removes the parts.

    Raises:
        RuntimeError: If a row has no answer: a backend broke its promise.
    """
    done = _known(path, made_by)
    lost = [row.id for row in rows if _question(row) not in done]
    if lost:
        raise RuntimeError(f"{path}: {len(lost)} rows have no answer, the first is {lost[0]}")
    kept = [done[_question(row)] for row in rows]
    answers = [Answer(row, one.text, one.cut) for row, one in zip(rows, kept, strict=True)]
    lines = (to_json(answer, one.made_by) for answer, one in zip(answers, kept, strict=True))
    write_bytes(path, b"".join(map(encode_line, lines)))
    for part in path.parent.glob(f"{path.name}.part*"):
        part.unlink()
    return answers


def read_answers(path: Path) -> list[Answer]:
    """A finished file, parsed anew: the stored ``parsed`` and ``valid`` are for people and other programs.

    Raises:
        UserError: For a file that can't be read, and for every line that is no prediction, with file and line.
    """
    try:
        with path.open("rb"):
            pass
        broken, _ = damage(path)
        if broken:
            raise UserError(*broken[:20])
        answers = [_answer(json.loads(line)) for _, line in read_lines(path)]
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if not answers:
        raise UserError(f"{path}: holds no predictions")
    return answers


def to_json(answer: Answer, made_by: str = "") -> dict[str, Any]:
    """An answer as one line of the file holds it."""
    row = answer.row
    start = len(row.prompt.before)
    values = {
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
        "made_by": made_by,
    }
    return checked(values)


def _answer(values: dict[str, Any]) -> Answer:
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


def _question(row: EvalRow) -> tuple[Any, ...]:
    """What an answer is an answer to. Rows that share all of it share their answer."""
    return row.id, row.prompt.text, row.target, row.candidates


def _known(path: Path, made_by: str) -> dict[tuple[Any, ...], Kept]:
    """Answers that are on disk already, by their question.

    Lines that are torn, that say something else than was written, or that something else has made are passed over:
    their rows are answered again. Where nothing is said of who answers, as in scoring again, every line counts.
    """
    found: dict[tuple[Any, ...], Kept] = {}
    for file in [path, *sorted(path.parent.glob(f"{path.name}.part*"))]:
        for _, line in read_lines(file):
            try:
                values = json.loads(line)
                answer = _answer(values)
            except _BROKEN:
                continue
            if not made_by or (values.get("made_by") == made_by and intact(values)):
                found[_question(answer.row)] = Kept(answer.text, answer.cut, values.get("made_by", ""))
    return found


def damage(path: Path) -> tuple[list[str], int]:
    """What is wrong with a finished file.

    Returns:
        A sentence for every line that is no prediction, and how many lines say something else than was written.
    """
    broken, changed = [], 0
    for number, line in read_lines(path):
        try:
            values = json.loads(line)
            _answer(values)
            changed += not intact(values)
        except _BROKEN as error:
            broken.append(f"{path}:{number}: is no prediction ({type(error).__name__}: {error})")
    return broken, changed
