"""`comparison.json`: all numbers, for other programs."""

from __future__ import annotations

import math
from typing import Any

from ecomgpt.reporting.study import Comparison, Study


def as_json(study: Study) -> dict[str, Any]:
    """All numbers of the comparison, for other programs: fractions of one, not points."""
    return {
        "reference": study.reference.label if study.reference else None,
        "arms": {
            arm.label: {"runs": [one.name for one in arm.members], "seeds": list(arm.seeds), "untrained": arm.untrained}
            for arm in study.columns
        },
        "answer": study.answer.name if study.answer else "",
        "resamples": study.samples,
        "groups": {group.name: _plain(group) for group in study.groups},
        "tasks": {task.name: _plain(task) for task in study.tasks},
        "not_compared": study.uncompared,
        "absent": [vars(one) for one in study.gathered.absent],
    }


def _plain(one: Comparison) -> dict[str, Any]:
    changes = {label: _rounded(vars(change)) | {"verdict": change.verdict} for label, change in one.changes.items()}
    return {
        "metric": one.metric or None,
        "rows": one.rows,
        "tasks": list(one.tasks),
        "scores": {label: _rounded(vars(score)) for label, score in one.scores.items()},
        "changes": changes,
        "rows_won_tied_lost": {label: [round(share, 6) for share in found] for label, found in one.verdicts.items()},
    }


def _rounded(values: dict[str, float]) -> dict[str, float | None]:
    return {key: round(value, 6) if math.isfinite(value) else None for key, value in values.items()}
