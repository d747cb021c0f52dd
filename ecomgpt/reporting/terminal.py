"""What a person reads in the terminal when a run or a sweep ends, or when runs were compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ecomgpt.eval.metrics_file import Change
from ecomgpt.eval.statistics.paired import Difference
from ecomgpt.reporting import findings
from ecomgpt.reporting.arms import Arm
from ecomgpt.reporting.study import Comparison, Study
from ecomgpt.reporting.text import (
    NONE,
    group_name,
    interval,
    mark,
    metric_name,
    points,
    probability,
    shown_path,
    tested,
    visible,
)

WIDE = 100  # columns from which metric and rows have columns of their own
FIXED = ("metric", "n", "seeds", "score", "diff.", "95 % interval", "p", "W/T/L", "baseline", "invalid", "ranked")
"""Columns that never wrap; names of arms and tasks do."""
STYLES = {"win": "green", "loss": "red", "tie": ""}
CAPTION = (
    "Points; 95 % intervals and p-values of the differences; in brackets, and for ▲ and ▼, p after Holm's correction "
    "over the tasks. * not above the baseline: the best answer that needs no model."
)


@dataclass(frozen=True)
class Summary:
    """A rich renderable: the answer, every arm, and task by task where there are no more than two arms."""

    study: Study
    page: Path

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        study = self.study
        yield Text("")
        answer, *basis = findings.sentences(study)
        yield Padding(Text(visible(answer), style="bold"), (0, 1))
        yield Padding(Text(visible(" ".join(basis))), (0, 1))
        without = findings.absent(study)
        if without:
            yield Padding(Text(visible(without), style="yellow"), (0, 1))
        if study.answer is not None and len(study.columns) > 1:
            yield _arms(study, study.answer, options.max_width >= WIDE)
        if study.tasks and (study.run is not None or (study.reference is not None and len(study.challengers) == 1)):
            yield _tasks(study, study.challengers[0], options.max_width >= WIDE)
        yield Padding(Text.assemble(("Report  ", "dim"), visible(shown_path(self.page))), (0, 1), expand=False)


def differences_table(
    found: Mapping[str, Difference], run: str, other: str, titles: Mapping[str, str] | None = None
) -> Table:
    """What `ecomgpt.eval.statistics.paired.between` found; differences that are significant are bold.

    Args:
        found: By task.
        run: The name of the run whose surplus the differences are.
        other: The name of the run that it is compared with.
        titles: What tasks are called, for people.
    """
    table = _table("task", "metric", run, other, "diff.", "95 % interval", "p")
    table.caption, table.caption_justify = CAPTION, "left"
    for task, one in found.items():
        title = visible((titles or {}).get(task, task))
        cells = [title, metric_name(one.metric), points(one.second), points(one.first)]
        clear = one.change.verdict != "tie"
        table.add_row(*map(Text, [*cells, *_change(one.change)]), style="bold" if clear else "")
    return table


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for place, name in enumerate(names):
        justify, width = ("right", 4) if place else ("left", 12)
        header, fixed = Text(visible(name)), name in FIXED
        table.add_column(header, justify=justify, overflow="fold", no_wrap=fixed, min_width=width)  # type: ignore[arg-type]
    return table


def _change(change: Change, wide: bool = True) -> list[str]:
    spread = f"[{points(change.low, True)}, {points(change.high, True)}]" if change.has_interval else NONE
    p = tested(change) if wide else probability(change.p)
    return [points(change.value, signed=True) + mark(change.verdict), spread, p]


def _arms(study: Study, group: Comparison, wide: bool) -> Table:
    """A line per arm: its mean over the tasks of the answer, after the best answers that need no model."""
    compared = ["diff.", "95 % interval", "p"] if study.reference else []
    more = ["seeds", "W/T/L"] if wide else []
    ranks = ["ranked"] if group.ranked and wide else []
    table = _table(findings.described(group), "score", "95 % interval", "invalid", *ranks, *compared, *more)
    if group.baseline is not None:
        table.add_row(Text("best baseline"), Text(points(group.baseline[1])), style="dim")
    for arm in study.columns:
        score, change = group.scores.get(arm.label), group.changes.get(arm.label)
        if score is None:
            continue
        cells = [visible(arm.label), points(score.value) + _star(group, arm), interval(score)]
        cells.append(points(group.invalid.get(arm.label)))
        cells += [points(group.ranked.get(arm.label)) for _ in ranks]
        verdicts = study.verdicts(arm, group)
        if change is not None:
            cells += _change(change, wide)
        elif compared:
            cells += ["", "(reference)" if arm is study.reference else NONE, ""]
        if wide:
            cells.append(str(len(arm.seeds)))
            cells.append(f"{verdicts['win']}/{verdicts['tie']}/{verdicts['loss']}" if change else "")
        table.add_row(*map(Text, cells), style=STYLES[change.verdict] if change and not arm.untrained else "")
    return table


def _star(one: Comparison, arm: Arm) -> str:
    """Marks a score that is not above the best answer that needs no model."""
    return "" if one.beats_baseline(arm.label) else "*"


def _tasks(study: Study, arm: Arm, wide: bool) -> Table:
    """A line per task, and of one run a line per group; without a reference with the score's interval."""
    reference, run = study.reference, study.run
    baselines = any(task.baseline for task in study.tasks)
    compared = [reference.label, arm.label, "diff.", "95 % interval", "p"] if reference else ["score", "95 % interval"]
    about = ["metric", "n", "invalid"] if wide else []
    table = _table("task", *about, *(["baseline"] if baselines else []), *compared)
    for one in [*study.tasks, *(study.groups if run else [])]:
        if one in study.groups[:1]:
            table.add_section()
        change, score, invalid = (
            one.changes.get(arm.label),
            one.scores.get(arm.label),
            points(one.invalid.get(arm.label)),
        )
        title = visible(one.title if one.task else f"mean, {group_name(one.name)}")
        metric = metric_name(one.metric) if one.metric else "mean"
        about_it = f"\n{metric}, n {one.rows:,}, {invalid} % invalid"
        name = Text(title) if wide else Text.assemble(title, (about_it, "dim"))
        cells = [metric, f"{one.rows:,}", invalid] if wide else []
        if baselines:
            cells.append(
                (f"{visible(one.baseline[0])} " if wide and one.task else "") + points(one.baseline[1])
                if one.baseline
                else NONE
            )
        shown = points(score and score.value) + _star(one, arm)
        if reference is None:
            cells += [shown, interval(score) if score else NONE]
        else:
            before = one.scores.get(reference.label)
            cells += [points(before and before.value), shown]
            cells += _change(change, wide) if change else [NONE, "not compared", ""]
        style = STYLES[change.verdict] if change else "dim" if reference else ""
        table.add_row(name, *map(Text, cells), style=style)
    if reference is not None:
        table.caption, table.caption_justify = CAPTION, "left"
    return table
