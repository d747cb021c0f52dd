"""`comparison.json`: all numbers, for other programs."""

from __future__ import annotations

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
        "groups": {group.name: _plain(group) for group in study.groups},
        "tasks": {task.name: _plain(task) for task in study.tasks},
        "not_compared": study.uncompared,
        "absent": [vars(one) for one in study.gathered.absent],
    }


def _plain(one: Comparison) -> dict[str, Any]:
    found: dict[str, Any] = {
        "metric": one.metric or None,
        "rows": one.rows,
        "tasks": list(one.tasks),
        "scores": {
            label: {**score.as_json(), "beside_baseline": one.standing(label) or None}
            for label, score in one.scores.items()
        },
        "changes": {label: {**change.as_json(), "verdict": change.verdict} for label, change in one.changes.items()},
        "rows_won_tied_lost": {label: [round(share, 6) for share in parts] for label, parts in one.verdicts.items()},
        "invalid": {label: round(share, 6) for label, share in one.invalid.items()},
    }
    if one.ranked:
        found["ranked"] = {label: round(value, 6) for label, value in one.ranked.items()}
    if one.wordings:
        found["wordings"] = {label: [round(end, 6) for end in ends] for label, ends in one.wordings.items()}
    if one.baseline is not None:
        found["baseline"] = {"name": one.baseline[0], "value": round(one.baseline[1], 6)}
    if one.left_out:
        found["left_out"] = list(one.left_out)
    if one.without:
        found["hangs_on"] = {label: list(tasks) for label, tasks in one.without.items()}
    return found
