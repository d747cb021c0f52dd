"""For other programs: `comparison.json` with all numbers, `counts.csv.gz` with what they were computed from."""

from __future__ import annotations

import gzip
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


def as_counts(study: Study) -> bytes:
    """What every text adds to its task's metric of record, by arm and seed: the whole input of the comparison. Texts
    stand there by their hash, without a word of them. `experiments/results/recompute.py` reads it back."""
    lines = ["task,metric,kind,rows,arm,seed,text,sums"]
    for task in study.tasks:
        for arm in study.columns:
            by_seed = study.counted.get(task.name, {}).get(arm.label, ())
            for seed, one in zip(arm.seeds, by_seed, strict=False):
                about = [task.name, task.metric, one.kind, str(one.rows), arm.label, seed]
                head = ",".join(f'"{cell}"' if "," in cell else cell for cell in about)
                for text, sums in zip(one.texts, one.sums, strict=True):
                    lines.append(f"{head},{text},{' '.join(f'{number:.12g}' for number in sums)}")
    return gzip.compress("\n".join([*lines, ""]).encode(), mtime=0)


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
