"""The table that a person reads when a run ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ecomgpt.report.findings import Difference, headline, plural
from ecomgpt.report.load import Run, Score, load
from ecomgpt.report.tables import average_rows, relative, score_rows
from ecomgpt.report.text import NONE, count, interval, points, visible

WIDE = 100  # columns from which baselines are named
STYLES = {"win": "green", "loss": "red", "tie": "", "open": ""}


@dataclass(frozen=True)
class Summary:
    """A rich renderable that fits its columns to the width of the terminal."""

    run: Run

    @classmethod
    def of(cls, run_dir: Path) -> Summary:
        return cls(load(run_dir))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        run = self.run
        yield Text("")
        yield Padding(Text(visible(headline(run)), style="bold"), (0, 1))
        if run.tasks or run.averages:
            yield _scores(run, wide=options.max_width >= WIDE)
        page = run.path / "report.html"
        target = page if page.is_file() else run.path
        line = Text.assemble(("Report  " if page.is_file() else "Run  ", "dim"), visible(relative(target)))
        yield Padding(line, (0, 1), expand=False)


def _scores(run: Run, wide: bool) -> Table:
    """Tasks, then averages, in one table so that their numbers stand under each other."""
    untrained = bool(run.untrained)
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("task", ratio=1, min_width=14, overflow="fold")
    if wide:
        table.add_column("n", justify="right", no_wrap=True)
        table.add_column("metric", no_wrap=True)
    arm = "trained" if run.was_trained else "score"
    columns = ["untrained" if untrained else "", arm, "95 % interval", "diff." if untrained else ""]
    for column in filter(None, [*columns, "baseline" if run.baselines else ""]):
        table.add_column(column, justify="right", no_wrap=True)
    for row in score_rows(run):
        cells: list[Text | str] = [Text(visible(row.task.title))]
        if wide:
            cells += [count(row.task.n), Text(visible(row.metric))]
        else:
            # A narrow terminal gives the title a whole line and what belongs to it the next.
            cells = [
                Text.assemble(visible(row.task.title), (f"\n  {visible(row.metric)}, n {count(row.task.n)}", "dim"))
            ]
        cells += _numbers(row.score, row.untrained, row.difference, untrained)
        table.add_row(*cells, *([_baseline(row.baseline, wide)] if run.baselines else []))
    table.add_section()
    for average in average_rows(run):
        name = Text(f"average, {visible(average.name)}")
        numbers = _numbers(average.score, average.untrained, average.difference, untrained)
        size = [Text(), Text(plural(average.tasks, "task"), style="dim")] if wide else []
        table.add_row(name, *size, *numbers)
    return table


def _numbers(score: Score, untrained: Score | None, change: Difference | None, both: bool) -> list[Text | str]:
    line: list[Text | str] = [points(untrained.value) if untrained else NONE] if both else []
    line += [Text(points(score.value), style="bold"), interval(score)]
    if both:
        line.append(Text(points(change.score.value, signed=True), style=STYLES[change.verdict]) if change else NONE)
    return line


def _baseline(baseline: tuple[str, Score] | None, wide: bool) -> Text:
    if baseline is None:
        return Text(NONE)
    name, score = baseline
    return Text.assemble((f"{visible(name)} " if wide else "", "dim"), points(score.value))
