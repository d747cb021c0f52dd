"""`results.csv` and `table.tex` of several runs."""

from __future__ import annotations

from ecomgpt.report import latex
from ecomgpt.report.study.compare import Study
from ecomgpt.report.study.tables import Row, columns, group_rows, paper_rows, task_rows
from ecomgpt.report.table import as_csv as csv_of
from ecomgpt.report.text import mark, points
from ecomgpt.run.directory import overrides_of


def as_csv(study: Study) -> str:
    """One row a run, arm, task and metric."""
    runs = []
    for one in study.gathered.members:
        runs.append((one.name, " ".join(overrides_of(one.run.path)), one.run))
    return csv_of(runs)


def as_latex(study: Study) -> str:
    """Task by arm, then the means, then the paper's points."""
    names = [task.task.name if task.task and not latex.printable(task.title) else task.title for task in study.tasks]
    sections = [
        [([name, row.metric], _cells(row, study)) for name, row in zip(names, task_rows(study), strict=True)],
        [([f"mean: {row.title}", row.metric], _cells(row, study)) for row in group_rows(study)],
    ]
    paper = [
        (
            [row.title, row.metric],
            [
                *(latex.Cell(points(cell.value) if cell else "–") for cell in row.cells),
                *_baseline(study, "–"),
                latex.Cell(points(row.paper)),
            ],
        )
        for row in paper_rows(study)
    ]
    against = f" Arrows: p below 0.05 against {study.reference.label}, Holm-corrected." if study.reference else ""
    read_off = " The paper's points are read off a figure." if paper else ""
    titles = [
        "task",
        "metric",
        *(arm.label for arm in columns(study)),
        *(["best baseline"] if _baseline(study, "") else []),
        *(["paper"] if paper else []),
    ]
    if paper:
        sections = [[(texts, [*cells, latex.Cell("–")]) for texts, cells in rows] for rows in sections] + [paper]
    return latex.table(
        titles, [rows for rows in sections if rows], f"{study.gathered.title}: points, 0 to 100.{against}{read_off}"
    )


def _cells(row: Row, study: Study) -> list[latex.Cell]:
    cells = [
        latex.Cell("–")
        if cell is None
        else latex.Cell(points(cell.score.value), cell.best, mark(cell.change.verdict) if cell.change else "")
        for cell in row.cells
    ]
    return [*cells, *_baseline(study, points(row.baseline[1].value) if row.baseline else "–")]


def _baseline(study: Study, text: str) -> list[latex.Cell]:
    return [latex.Cell(text)] if study.gathered.members and study.gathered.members[0].run.baselines else []
