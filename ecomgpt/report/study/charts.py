"""What a study's bars and dots show: arms side by side, differences to the reference, rows won and lost, mixtures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ecomgpt.report.charts import COLOURS, Drawn, Series, canvas, grouped_bars, legend, panels, stacked
from ecomgpt.report.fonts import drawable
from ecomgpt.report.study.arms import Arm
from ecomgpt.report.study.compare import Outcome, Study
from ecomgpt.report.study.findings import described, group_name
from ecomgpt.report.study.tables import as_score, columns
from ecomgpt.report.text import points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE = ("blue", "orange", "green", "pink", "sky", "red")
"""Of the arms, in their order; further ones are told apart by their place alone."""
MOST = len(PALETTE)
VERDICTS = (("better", "blue"), ("equal", "grey"), ("worse", "orange"))


def colours(study: Study) -> dict[str, str]:
    """A colour for every arm; the models before training are grey."""
    own = {arm.label: PALETTE[place] if len(study.arms) <= MOST else "blue" for place, arm in enumerate(study.arms)}
    return {arm.label: "grey" for arm in study.backbones} | own


def overview(study: Study) -> Drawn | None:
    """Every arm's mean over the tasks that the answer is about."""
    group = study.answer
    arms = [arm for arm in columns(study) if group and arm.label in group.scores]
    if group is None or len(arms) < 2:
        return None
    tint = colours(study)
    figure, axes = canvas(0.3 * len(arms) + 0.75)
    for place, arm in enumerate(arms):
        score = group.scores[arm.label]
        _dot(axes, place, score.value, score.low, score.high, tint[arm.label], label=True)
    _rows(axes, [_label(arm.label) for arm in arms])
    axes.set_xlabel("points")
    axes.grid(axis="x")
    return Drawn(
        figure, "The arms", f"Mean over {described(group)}; lines are 95 % intervals over rows{_seeds(study)}."
    )


def groups(study: Study) -> Drawn | None:
    """Means over groups of tasks, a bar an arm."""
    shown = [_Named(group.name, group_name(group.name), group.scores) for group in study.groups]
    return _bars(
        study, shown, "Means over groups of tasks", f"In points; lines are 95 % intervals over rows{_seeds(study)}."
    )


def scores(study: Study) -> Drawn | None:
    """Scores by task, a bar an arm."""
    shown = [_Named(task.name, task.title, task.scores) for task in study.tasks if task.scores]
    caption = f"Each task by its metric of record, in points; lines are 95 % intervals over rows{_seeds(study)}."
    return _bars(study, shown, "Scores by task", caption)


class _Named:
    def __init__(self, name: str, title: str, scores: dict) -> None:
        self.name, self.title, self.scores = name, title, scores


def _bars(study: Study, shown: Sequence[_Named], title: str, caption: str) -> Drawn | None:
    arms = columns(study)
    if not shown or not 1 < len(arms) <= MOST + 1:
        return None
    tint = colours(study)
    series = [
        Series(
            _label(arm.label),
            tint[arm.label],
            {one.name: as_score(one.scores[arm.label]) for one in shown if arm.label in one.scores},
        )
        for arm in arms
    ]
    return Drawn(grouped_bars(shown, series, first_is_bold=False), title, caption)


def differences(study: Study) -> Drawn | None:
    """How much better each arm is than the reference, by task."""
    arms = _against(study)
    tasks = [task for task in study.tasks if any(arm.label in task.changes for arm in arms)]
    if study.reference is None or not tasks:
        return None
    tint = colours(study)
    pitch = 0.16 * len(arms) + 0.12
    figure, axes = canvas(pitch * len(tasks) + 0.95)
    for place, task in enumerate(tasks):
        for at, arm in enumerate(arms):
            change = task.changes.get(arm.label)
            if change is not None:
                y = place + (at - (len(arms) - 1) / 2) * 0.16 / pitch
                _dot(axes, y, change.value, change.low, change.high, tint[arm.label], filled=change.verdict != "tie")
    _rows(axes, [_title(task, 30) for task in tasks])
    axes.axvline(0, color=COLOURS["ink"], linewidth=0.9)
    axes.set_xlabel(f"points better than {_label(study.reference.label)}")
    axes.grid(axis="x")
    if len(arms) > 1:
        legend(figure, [(_label(arm.label), tint[arm.label]) for arm in arms])
    caption = "Differences with 95 % intervals. Filled: p below 0.05, Holm-corrected over the tasks; hollow: can't be told apart."
    return Drawn(figure, f"Against {_label(study.reference.label)}", caption)


def verdicts(study: Study) -> Drawn | None:
    """Rows that each arm answered better than, as well as and worse than the reference: the form of the paper's figure 2."""
    arms = [arm for arm in _against(study) if any(arm.label in task.verdicts for task in study.tasks)][:3]
    tasks = [task for task in study.tasks if all(arm.label in task.verdicts for arm in arms)]
    if study.reference is None or not arms or not tasks:
        return None
    figure, all_axes = panels(len(arms), (0.25 * len(tasks) + 0.45) * len(arms) + 0.45)
    for axes, arm in zip(all_axes, arms, strict=True):
        for place, task in enumerate(tasks):
            _shares(axes, place, task.verdicts[arm.label])
        _rows(axes, [_title(task, 34) for task in tasks])
        axes.set_xlim(0, 100)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.set_title(
            f"{_label(arm.label)} against {_label(study.reference.label)}",
            loc="left",
            fontsize=10,
            color=COLOURS["ink"],
        )
    legend(figure, list(VERDICTS))
    caption = "Share of rows answered better, equally well and worse, in percent: F1 of an answer's parts, ROUGE-L for free text."
    return Drawn(figure, "Rows won, tied and lost", caption)


def _shares(axes: Axes, y: float, shares: tuple[float, float, float]) -> None:
    left = 0.0
    for share, (name, colour) in zip(shares, VERDICTS, strict=True):
        axes.barh(y, share * 100, left=left, height=0.72, color=COLOURS[colour])
        if share >= 0.06:
            ink = COLOURS["paper"] if name == "better" else "#111111"
            axes.text(left + share * 50, y, f"{share * 100:.0f}", ha="center", va="center", fontsize=8, color=ink)
        left += share * 100


def composition(study: Study) -> Drawn | None:
    """Training examples of every arm, by where their labels come from."""
    rows = []
    for arm in study.arms:
        manifest = arm.members[0].run.manifest
        parts: Counter[str] = Counter()
        for task in manifest.tasks if manifest else []:
            parts[task.group] += task.examples
        if parts.total():
            rows.append((_label(arm.label), parts))
    if not rows:
        return None
    caption = "Training examples of each arm; atomic tasks by whether their labels are golden or made by a model."
    return Drawn(stacked(rows), "What the arms were trained on", caption)


def _against(study: Study) -> list[Arm]:
    """The arms to hold against the reference: those nearest the top where there are too many to draw."""
    group = study.answer
    arms = [arm for arm in columns(study) if arm is not study.reference and not (arm.untrained and study.challengers)]
    if len(arms) <= MOST or group is None:
        return arms
    best = sorted(arms, key=lambda arm: -group.changes[arm.label].value if arm.label in group.changes else math.inf)[
        :MOST
    ]
    return [arm for arm in arms if arm in best]


def _dot(
    axes: Axes, y: float, value: float, low: float, high: float, colour: str, label: bool = False, filled: bool = True
) -> None:
    paint = COLOURS[colour]
    if math.isfinite(low):
        axes.plot([low * 100, high * 100], [y, y], color=paint, linewidth=1.6, solid_capstyle="butt")
    axes.plot(
        [value * 100], [y], "o", markersize=5.5, color=paint, markerfacecolor=paint if filled else COLOURS["paper"]
    )
    if label:
        end = high if math.isfinite(high) else value
        axes.annotate(
            points(value),
            (end * 100, y),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=COLOURS["ink"],
        )


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), list(names), fontsize=8.5, color=COLOURS["ink"])
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _seeds(study: Study) -> str:
    return " and seeds" if any(len(arm.seeds) > 1 for arm in study.arms) else ""


def _label(text: str) -> str:
    return drawable(text, width=34)


def _title(task: Outcome, width: int) -> str:
    return drawable(task.title, task.name.rpartition("/")[2], width=width)
