"""`table.tex` and `comparison.json`: the main table for a paper, and all numbers for other programs."""

from __future__ import annotations

import math
from typing import Any

from ecomgpt.reporting import latex
from ecomgpt.reporting.latex import LatexCell
from ecomgpt.reporting.study import Comparison, Study
from ecomgpt.reporting.tables import ScoreRow, paper_rows, score_rows
from ecomgpt.reporting.text import NONE, mark, points


def as_latex(study: Study) -> str:
    """Task by arm, then the means, then the paper's points."""
    names = [task.task.name if task.task and not latex.printable(task.title) else task.title for task in study.tasks]
    paper = paper_rows(study)
    baselines = has_baselines(study)

    def cells(row: ScoreRow) -> list[LatexCell]:
        found = [
            LatexCell(points(cell.score.value), cell.best, mark(cell.change.verdict) if cell.change else "")
            if cell
            else LatexCell(NONE)
            for cell in row.cells
        ]
        best = [LatexCell(points(row.baseline[1].value) if row.baseline else NONE)] if baselines else []
        return [*found, *best, *([LatexCell(NONE)] if paper else [])]

    tasks, groups = score_rows(study, study.tasks), score_rows(study, study.groups)
    sections: list[latex.Section] = [
        [([name, row.metric], cells(row)) for name, row in zip(names, tasks, strict=True)],
        [([f"mean: {row.title}", row.metric], cells(row)) for row in groups],
        [
            (
                [one.title, one.metric],
                [
                    *(LatexCell(points(cell.value) if cell else NONE) for cell in one.cells),
                    *([LatexCell(NONE)] if baselines else []),
                    LatexCell(points(one.paper)),
                ],
            )
            for one in paper
        ],
    ]
    arms = [arm.label for arm in study.columns]
    titles = ["task", "metric", *arms, *(["best baseline"] if baselines else []), *(["paper"] if paper else [])]
    against = f" Arrows: p below 0.05 against {study.reference.label}, Holm-corrected." if study.reference else ""
    read_off = " The paper's points are read off a figure." if paper else ""
    caption = f"{study.gathered.title}: points, 0 to 100.{against}{read_off}"
    return latex.table(titles, [rows for rows in sections if rows], caption)


def has_baselines(study: Study) -> bool:
    """Whether the main table has a column of baselines: they are the same for every run on the same rows."""
    return bool(study.gathered.members and study.gathered.members[0].run.baselines)


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
