"""Where a task's answers go wrong, as plain data that a report renders."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ecomgpt.eval.metrics.names import metric
from ecomgpt.eval.metrics.rouge import rouge_l
from ecomgpt.eval.rows import Answer

MOST_CLASSES = 12
INVALID = "(invalid)"


def analyse(answers: Sequence[Answer], most: int = 10) -> dict[str, Any]:
    """What a reader wants to see of a task's errors.

    Args:
        answers: Of one task.
        most: How many rows or answers of each sort are listed.

    Returns:
        ``confusion``: ``{"labels": [...], "counts": [[gold x given]]}`` for single labels with few classes, else None;
        ``wrong``: ``[{"target", "prediction", "count"}]``, most frequent first; ``worst`` and ``invalid``: ``[{"id",
        "prompt", "target", "prediction", "score"}]``; ``invalid_count``; ``cut_rows`` and ``cut_tokens``: prompts that
        were cut, and by how much in all.
    """
    scores = row_scores(answers)
    # Rows of equal score stand in the order of the task, so that two reports of one file are the same.
    order = [at for at in sorted(range(len(answers)), key=lambda at: scores[at]) if scores[at] < 1]
    invalid = [at for at, answer in enumerate(answers) if not answer.parsed.valid]
    return {
        "confusion": confusion(answers),
        "wrong": _wrong(answers, scores, most),
        "worst": [_shown(answers[at], scores[at]) for at in order[:most]],
        "invalid": [_shown(answers[at], scores[at]) for at in invalid[:most]],
        "invalid_count": len(invalid),
        "cut_rows": sum(answer.cut > 0 for answer in answers),
        "cut_tokens": sum(answer.cut for answer in answers),
    }


def row_scores(answers: Sequence[Answer]) -> list[float]:
    """A number from 0 to 1 for each answer: F1 of its items, for free text ROUGE-L."""
    if not answers:
        return []
    if answers[0].row.form == "text":
        return [rouge_l(answer.text, answer.row.target) for answer in answers]
    micro = metric("micro_f1", answers[0].row.kind)
    scores = micro.compute(micro.update(answers))
    return [
        float(score) if answer.parsed.valid or score < 1 else 0.0 for answer, score in zip(answers, scores, strict=True)
    ]


def confusion(answers: Sequence[Answer]) -> dict[str, Any] | None:
    """Counts of gold label (line) against given label (column; the last one is what is no candidate)."""
    if not answers or answers[0].row.form != "label":
        return None
    labels = list(dict.fromkeys(name for answer in answers for name in sorted(answer.row.candidates)))
    if not labels or len(labels) > MOST_CLASSES:
        return None
    columns = [*labels, INVALID]
    counts = np.zeros((len(labels), len(columns)), int)
    for answer in answers:
        given = answer.parsed.items[0] if answer.parsed.valid else INVALID
        counts[labels.index(str(answer.row.gold[0])), columns.index(str(given))] += 1
    return {"labels": columns, "counts": counts.tolist()}


def _wrong(answers: Sequence[Answer], scores: Sequence[float], most: int) -> list[dict[str, Any]]:
    pairs = Counter(
        (answer.row.target, answer.text.strip()) for answer, score in zip(answers, scores, strict=True) if score < 1
    )
    return [{"target": target, "prediction": text, "count": count} for (target, text), count in pairs.most_common(most)]


def _shown(answer: Answer, score: float) -> dict[str, Any]:
    row = answer.row
    return {
        "id": row.id,
        "prompt": row.prompt.text,
        "target": row.target,
        "prediction": answer.text,
        "score": round(score, 4),
    }
