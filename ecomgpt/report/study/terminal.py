"""What a person reads in the terminal when a sweep ends or runs were compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ecomgpt.report.study import findings
from ecomgpt.report.study.compare import Outcome, Study
from ecomgpt.report.study.tables import as_score, columns
from ecomgpt.report.tables import relative
from ecomgpt.report.text import interval, metric_name, points, probability, visible

FIXED = ("metric", "seeds", "score", "diff.", "95 % interval", "p", "W/T/L")
"""Columns that never wrap; names of arms and tasks do."""
STYLES = {"win": "green", "loss": "red", "tie": ""}


@dataclass(frozen=True)
class StudySummary:
    """A rich renderable: the answer, every arm, and task by task where two arms were compared."""

    study: Study
    page: Path

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text("")
        yield Padding(Text(visible(findings.headline(self.study)), style="bold"), (0, 1))
        without = findings.absent(self.study)
        if without:
            yield Padding(Text(visible(without), style="yellow"), (0, 1))
        if self.study.answer is not None:
            yield _arms(self.study, self.study.answer)
        if self.study.reference is not None and len(self.study.challengers) == 1:
            yield _tasks(self.study, self.study.challengers[0].label, self.study.reference.label)
        yield Padding(Text.assemble(("Report  ", "dim"), visible(relative(self.page))), (0, 1), expand=False)


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for place, name in enumerate(names):
        fixed = name in FIXED
        table.add_column(
            Text(visible(name)),
            justify="right" if place else "left",
            overflow="fold",
            no_wrap=fixed,
            min_width=4 if place else 12,
        )
    return table


def _arms(study: Study, group: Outcome) -> Table:
    """A line an arm: its mean over the tasks of the answer."""
    table = _table(findings.described(group), "seeds", "score", "95 % interval", "diff.", "95 % interval", "p", "W/T/L")
    for arm in columns(study):
        score, change = group.scores.get(arm.label), group.changes.get(arm.label)
        if score is None:
            continue
        cells = [visible(arm.label), str(len(arm.seeds)), points(score.value), interval(as_score(score))]
        if change is not None:
            verdicts = Counter(
                task.changes[arm.label].verdict
                for task in study.tasks
                if task.name in group.tasks and arm.label in task.changes
            )
            cells += [
                points(change.value, signed=True),
                f"[{points(change.low, True)}, {points(change.high, True)}]",
                probability(change.p),
                f"{verdicts['win']}/{verdicts['tie']}/{verdicts['loss']}",
            ]
        else:
            cells += ["", "(reference)" if arm is study.reference else "–", "", ""]
        table.add_row(*map(Text, cells), style=STYLES[change.verdict] if change and not arm.untrained else "")
    return table


def _tasks(study: Study, arm: str, reference: str) -> Table:
    """A line a task, as a paired comparison gives it."""
    table = _table("task", "metric", reference, arm, "diff.", "95 % interval", "p")
    for task in study.tasks:
        change = task.changes.get(arm)
        scores = [task.scores[label].value if label in task.scores else None for label in (reference, arm)]
        cells = [visible(task.title), metric_name(task.metric), *map(points, scores)]
        if change is None:
            cells += ["–", "not compared", ""]
        else:
            cells += [
                points(change.value, signed=True),
                f"[{points(change.low, True)}, {points(change.high, True)}]",
                probability(change.p),
            ]
        table.add_row(*map(Text, cells), style=STYLES[change.verdict] if change else "dim")
    table.caption = "Points; 95 % intervals of the difference; p-values by Holm's method over the tasks."
    table.caption_justify = "left"
    return table
