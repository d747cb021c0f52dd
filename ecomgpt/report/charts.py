"""What the figures show. Each function draws one chart from a run, or returns None where the run has nothing for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ecomgpt.report.findings import best_baseline
from ecomgpt.report.fonts import drawable
from ecomgpt.report.load import Run, Score
from ecomgpt.report.tables import label
from ecomgpt.report.text import count, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 5.0  # inches; narrow, so that a point of text is about a pixel on a phone
# Okabe and Ito's palette, told apart with every common kind of colour blindness. Pages give each colour a light and a dark
# variant under the name that stands here.
COLOURS = {
    "ink": "#1c1d1f",
    "muted": "#6a6d73",
    "grid": "#e1e2e5",
    "paper": "#ffffff",
    "blue": "#0072b2",
    "orange": "#e69f00",
    "grey": "#a3a6ac",
    "pink": "#cc79a7",
    "green": "#009e73",
    "sky": "#56b4e9",
    "red": "#d55e00",
}
GROUPS = {"raw": "blue", "golden atomic": "orange", "pseudo atomic": "pink"}
MOST_TASKS = 30


@dataclass(frozen=True)
class Drawn:
    """A chart before it is saved; title and caption are for the page and hold no text from data."""

    canvas: Figure
    title: str
    caption: str
    wide: bool = False
    """Whether it needs more room than a phone's width."""


class Titled(Protocol):
    """A task, or a group of tasks."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...


@dataclass(frozen=True)
class Series:
    """One bar in every group: scores by task."""

    name: str
    colour: str
    scores: dict[str, Score]


def scores(run: Run) -> Drawn | None:
    """Trained against untrained against the best baseline, by task."""
    tasks = [task for task in run.tasks.values() if task.score().known]
    if not tasks:
        return None
    series = [Series("trained" if run.was_trained else "model", "blue", {task.name: task.score() for task in tasks})]
    if run.untrained:
        before = {
            task.name: run.untrained[task.name].score(task.primary) for task in tasks if task.name in run.untrained
        }
        series.append(Series("untrained", "orange", before))
    best = {task.name: found[1] for task in tasks if (found := best_baseline(run, task))}
    if best:
        series.append(Series("best baseline", "grey", best))
    caption = "Each task by its metric of record, in points; lines are 95 % intervals."
    return Drawn(grouped_bars(tasks, series), "Scores by task", caption)


def grouped_bars(tasks: Sequence[Titled], series: Sequence[Series], first_is_bold: bool = True) -> Figure:
    """Horizontal bars in groups, a group a task, the task's title above its group so that bars get the whole width."""
    pitch, thick = 0.19, 0.15  # inches from bar to bar, and of a bar
    group = pitch * len(series) + 0.36
    figure, axes = canvas(group * len(tasks) + 0.85)
    for index, task in enumerate(tasks):
        top = index * group
        axes.text(0, top + 0.13, _title(task), va="center", fontsize=9.5)
        for place, one in enumerate(series):
            score = one.scores.get(task.name)
            if score is not None and score.known:
                _bar(axes, top + 0.32 + pitch * place, score, one, thick, bold=first_is_bold and place == 0)
    axes.set_ylim(group * len(tasks), -0.05)
    axes.set_yticks([])
    axes.set_xlim(0, _limit(series))
    axes.set_xlabel("points")
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    legend(figure, [(one.name, one.colour) for one in series])
    return figure


def _bar(axes: Axes, y: float, score: Score, series: Series, thick: float, bold: bool) -> None:
    value = score.value * 100
    axes.barh(y, value, height=thick, color=COLOURS[series.colour])
    end = value
    if score.has_interval:
        low, high = max(0.0, value - score.low * 100), max(0.0, score.high * 100 - value)
        axes.errorbar(value, y, xerr=[[low], [high]], color=COLOURS["ink"], elinewidth=1.1, capsize=1.8, capthick=1.1)
        end = value + high
    axes.annotate(
        points(score.value),
        (end, y),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color=COLOURS["ink" if bold else "muted"],
        weight="bold" if bold else "normal",
    )


def _limit(series: Sequence[Series]) -> float:
    """The end of the score axis: a little over the highest bar, so that low scores are not drawn as slivers."""
    ends = [
        max(score.value, score.high if score.has_interval else 0)
        for one in series
        for score in one.scores.values()
        if score.known
    ]
    return min(109.0, max(10.0, max(ends, default=0.0) * 100 * 1.09))


def training(run: Run) -> Drawn | None:
    """The loss and the throughput over optimiser steps."""
    shown = [
        (name, title)
        for name, title in (("loss", "loss"), ("tokens_per_second", "tokens a second"))
        if run.curve.get(name)
    ]
    if not shown:
        return None
    figure, all_axes = panels(len(shown))
    for axes, (column, title) in zip(all_axes, shown, strict=True):
        steps, values = zip(*run.curve[column], strict=True)
        # A point that was logged alone would be invisible as a line.
        marker = "o" if len(steps) < 3 else ""
        means = smooth(values) if len(values) >= 20 else None
        alpha, width = (0.3, 1.0) if means else (1.0, 1.8)
        axes.plot(steps, values, color=COLOURS["blue"], marker=marker, alpha=alpha, linewidth=width)
        if means:
            axes.plot(steps, means, color=COLOURS["blue"], linewidth=2)
        over_steps(axes, column, title)
    all_axes[-1].set_xlabel("optimiser step")
    caption = "Thin: every logged step. Thick: mean over a tenth of them."
    return Drawn(figure, "Training", caption)


def over_steps(axes: Axes, column: str, title: str) -> None:
    """Title and axis of a column of the training log; rates begin at zero, losses do not."""
    axes.set_title(title, loc="left", fontsize=10, color=COLOURS["ink"])
    axes.grid(axis="y")
    if column != "loss":
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: count(value))


def smooth(values: Sequence[float]) -> list[float]:
    """Mean over a centred window of a tenth of the points, smaller towards both ends; unlike a trailing mean it does not lag."""
    reach = max(1, len(values) // 20)
    means = []
    for index in range(len(values)):
        near = min(reach, index, len(values) - 1 - index)
        window = values[index - near : index + near + 1]
        means.append(sum(window) / len(window))
    return means


def composition(run: Run) -> Drawn | None:
    """Training examples by family, stacked by where they come from."""
    if run.manifest is None:
        return None
    families: dict[str, Counter[str]] = {}
    for task in run.manifest.tasks:
        families.setdefault(task.family, Counter())[task.group] += task.examples
    ordered = sorted(
        ((name, sum(parts.values()), parts) for name, parts in families.items()), key=lambda item: (-item[1], item[0])
    )
    ordered = [item for item in ordered if item[1]]
    if not ordered:
        return None
    rows = [(_family(name), parts) for name, _, parts in ordered]
    caption = "Training examples by task family; atomic tasks by whether their labels are golden or made by a model."
    return Drawn(stacked(rows), "What the model was trained on", caption)


def examples(run: Run) -> Drawn | None:
    """Training examples of every task."""
    tasks = [task for task in run.manifest.tasks if task.examples] if run.manifest else []
    if not tasks:
        return None
    tasks = sorted(tasks, key=lambda task: (-task.examples, task.name, task.source))
    one_source = len({task.source for task in tasks}) == 1
    names = [task.name if one_source else label(task) for task in tasks]
    rows = [
        (drawable(name.replace("_", " "), task.name, width=40), Counter({task.group: task.examples}))
        for name, task in zip(names[:MOST_TASKS], tasks, strict=False)
    ]
    caption = (
        f"The {MOST_TASKS} largest of {len(tasks)} training tasks."
        if len(tasks) > MOST_TASKS
        else "Training examples of every task."
    )
    return Drawn(stacked(rows), "Examples a task", caption)


def stacked(rows: Sequence[tuple[str, Counter[str]]]) -> Figure:
    """Horizontal stacked bars, names at the left, totals at the end."""
    groups = [name for name in GROUPS if any(parts[name] for _, parts in rows)]
    figure, axes = canvas(0.235 * len(rows) + 0.75)
    for index, (_, parts) in enumerate(rows):
        left = 0
        for name in groups:
            axes.barh(index, parts[name], left=left, height=0.68, color=COLOURS[GROUPS[name]])
            left += parts[name]
        axes.annotate(
            count(left),
            (left, index),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=COLOURS["muted"],
        )
    axes.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=8.5, color=COLOURS["ink"])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, max(sum(parts.values()) for _, parts in rows) * 1.12)
    axes.tick_params(axis="y", length=0)
    axes.set_xticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    legend(figure, [(name, GROUPS[name]) for name in groups])
    return figure


def canvas(height: float) -> tuple[Figure, Axes]:
    figure, axes = panels(1, height)
    return figure, axes[0]


def panels(n: int, height: float = 0.0) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height or 1.95 * n + 0.25), layout="constrained")
    axes: Any = figure.subplots(n, 1, sharex=True, squeeze=False)
    return figure, list(axes[:, 0])


def legend(figure: Figure, entries: Sequence[tuple[str, str]]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=COLOURS[colour], label=name) for name, colour in entries]
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=len(handles),
        fontsize=9,
        handlelength=1,
        handleheight=1,
        borderpad=0.2,
    )


def _title(task: Titled) -> str:
    return drawable(task.title, task.name.rpartition("/")[2], width=58)


def _family(name: str) -> str:
    return drawable(name.replace("_", " "), width=36)
