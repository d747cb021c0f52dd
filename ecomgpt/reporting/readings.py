"""Reading errors: what `ecomgpt.eval.analysis` finds in a task's predictions, cut to what a page can show."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.eval.analysis import analyse
from ecomgpt.eval.predictions import read_answers
from ecomgpt.reporting.text import clip

PROMPT_LIMIT, ANSWER_LIMIT, MISTAKE_LIMIT = 1600, 600, 80
MOST_MISTAKES = 5


@dataclass(frozen=True)
class ShownRow:
    """One answered row; ``score`` is 0 (nothing right) to 1."""

    id: str
    prompt: str
    target: str
    prediction: str
    score: float


@dataclass(frozen=True)
class Reading:
    """What is shown of one task's predictions.

    Attributes:
        rows: How many there are; 0 where there is nothing to read.
        invalid_rows: How many fit no form.
        cut_rows: How many prompts were cut.
        worst: The worst rows, the worst first.
        invalid: Invalid rows that are not among the worst.
        mistakes: (target, prediction, times) of what went wrong more than once.
        labels: The columns of the confusion matrix, the last for invalid answers; empty where there is none.
        confusion: (label, counts) for every true label.
        problem: Why the file could not be read, or an empty text.
    """

    rows: int = 0
    invalid_rows: int = 0
    cut_rows: int = 0
    worst: list[ShownRow] = field(default_factory=list)
    invalid: list[ShownRow] = field(default_factory=list)
    mistakes: list[tuple[str, str, int]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    confusion: list[tuple[str, list[int]]] = field(default_factory=list)
    problem: str = ""


def read(path: Path, limit: int) -> Reading:
    """Reads `predictions/<task>.jsonl`; keeps up to ``limit`` rows of each sort. A broken file is named, not fatal."""
    if not path.is_file():
        return Reading()
    try:
        answers = read_answers(path)
    except UserError as error:
        return Reading(problem=error.problems[0].replace(f"{path}", f"predictions/{path.name}"))
    found = analyse(answers, max(limit, MOST_MISTAKES))
    worst = [_row(entry) for entry in found["worst"][:limit]]
    shown = {row.id for row in worst}
    labels: list[str] = found["confusion"]["labels"] if found["confusion"] else []
    return Reading(
        rows=len(answers),
        invalid_rows=found["invalid_count"],
        cut_rows=found["cut_rows"],
        worst=worst,
        invalid=[row for entry in found["invalid"][:limit] if (row := _row(entry)).id not in shown],
        mistakes=[
            (clip(entry["target"], MISTAKE_LIMIT), clip(entry["prediction"], MISTAKE_LIMIT), entry["count"])
            for entry in found["wrong"][:MOST_MISTAKES]
            if entry["count"] > 1
        ],
        labels=labels,
        confusion=list(zip(labels, found["confusion"]["counts"], strict=False)) if labels else [],
    )


def _row(entry: dict[str, Any]) -> ShownRow:
    return ShownRow(
        id=str(entry["id"]),
        prompt=clip(entry["prompt"], PROMPT_LIMIT),
        target=clip(entry["target"], ANSWER_LIMIT),
        prediction=clip(entry["prediction"], ANSWER_LIMIT),
        score=entry["score"],
    )
