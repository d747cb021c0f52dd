"""Reading errors: the worst rows of a task, its answers that fit no form, and the mistakes that it makes most often."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ecomgpt.report.load import number
from ecomgpt.report.text import clip

PROMPT_LIMIT, ANSWER_LIMIT, MISTAKE_LIMIT = 1600, 600, 80


@dataclass(frozen=True)
class Row:
    """One answered row; ``score`` is 0 (nothing right) to 1."""

    id: str
    prompt: str
    target: str
    prediction: str
    valid: bool
    score: float


@dataclass(frozen=True)
class Reading:
    """What is shown of one task's predictions."""

    rows: int = 0
    right: int = 0
    invalid_rows: int = 0
    worst: list[Row] = field(default_factory=list)
    invalid: list[Row] = field(default_factory=list)
    mistakes: list[tuple[str, str, int]] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    scored: bool = False


def read(path: Path, limit: int) -> Reading:
    """The ``limit`` worst and the first ``limit`` invalid rows of `predictions/<task>.jsonl`; empty where there is no such file.

    Rows are ordered by their own ``score`` where the evaluation wrote one, else by the overlap of characters between target
    and prediction; by id among equals. Lines that are not a JSON object are counted, by line number.
    """
    if not path.is_file():
        return Reading()
    rows: list[Row] = []
    unreadable: list[int] = []
    mistakes: Counter[tuple[str, str]] = Counter()
    right, scored = 0, False
    for line_number, entry in _entries(path):
        if entry is None:
            unreadable.append(line_number)
            continue
        row = _row(entry)
        scored = scored or number(entry.get("score")) is not None
        rows.append(row)
        if row.score >= 1:
            right += 1
        else:
            mistakes[(clip(row.target.strip(), MISTAKE_LIMIT), clip(row.prediction.strip(), MISTAKE_LIMIT))] += 1
    rows.sort(key=lambda row: (row.score, row.id))
    invalid = [row for row in rows if not row.valid]
    repeated = sorted((item for item in mistakes.items() if item[1] > 1), key=lambda item: (-item[1], item[0]))
    return Reading(
        rows=len(rows),
        right=right,
        invalid_rows=len(invalid),
        worst=[row for row in rows if row.score < 1 and row.valid][:limit],
        invalid=invalid[:limit],
        mistakes=[(target, prediction, n) for (target, prediction), n in repeated[: min(limit, 5)]],
        unreadable=unreadable,
        scored=scored,
    )


def _entries(path: Path) -> Iterator[tuple[int, dict[str, object] | None]]:
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        for line_number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except (json.JSONDecodeError, RecursionError):
                entry = None
            yield line_number, entry if isinstance(entry, dict) else None


def _row(entry: dict[str, object]) -> Row:
    """A row with its texts cut to what a reader needs, so that a task's rows fit into memory whatever a model emits."""
    target, prediction = str(entry.get("target") or ""), str(entry.get("prediction") or "")
    score = number(entry.get("score"))
    return Row(
        id=str(entry.get("id", "")),
        prompt=clip(str(entry.get("prompt") or ""), PROMPT_LIMIT),
        target=clip(target, ANSWER_LIMIT),
        prediction=clip(prediction, ANSWER_LIMIT),
        valid=entry.get("valid") is not False,
        score=overlap(target, prediction) if score is None else score,
    )


def overlap(target: str, prediction: str) -> float:
    """F1 of the two texts' characters as bags, without white space: a cheap order of badness for every language, not a metric."""
    ours, theirs = Counter("".join(prediction.split())), Counter("".join(target.split()))
    if "".join(prediction.split()) == "".join(target.split()):
        return 1.0
    # Capped below 1, since only an equal text is right: an anagram is not.
    total = ours.total() + theirs.total()
    return min(0.999, 2 * (ours & theirs).total() / total)
