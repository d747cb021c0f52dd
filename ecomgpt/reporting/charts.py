"""What a report's bars and dots show: arms side by side, differences to the reference, rows won and lost, mixtures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from ecomgpt.eval.metrics_file import Score
from ecomgpt.reporting.arms import Arm
from ecomgpt.reporting.drawing import (
    COLOURS,
    Drawn,
    Series,
    canvas,
    dot,
    grouped_bars,
    legend,
    name_rows,
    panels,
    shares,
    stacked_bars,
)
from ecomgpt.reporting.findings import described
from ecomgpt.reporting.fonts import drawable
from ecomgpt.reporting.study import Comparison, Study
from ecomgpt.reporting.text import group_name

PALETTE = ("blue", "orange", "green", "pink", "sky", "red")
"""Of the arms, in their order; further ones are told apart by their place alone."""
MOST = len(PALETTE)
VERDICTS = (("better", "blue"), ("equal", "grey"), ("worse", "orange"))
GROUPS = {"raw": "blue", "golden atomic": "orange", "pseudo atomic": "pink"}
MOST_TASKS = 30


def colours(study: Study) -> dict[str, str]:
    """A colour for every arm; the models before training are grey."""
    own = {arm.label: PALETTE[place] if len(study.arms) <= MOST else "blue" for place, arm in enumerate(study.arms)}
    return {arm.label: "grey" for arm in study.backbones} | own


def overview(study: Study) -> Drawn | None:
    """Every arm's mean over the tasks that the answer is about."""
    group = study.answer
    arms = [arm for arm in study.columns if group and arm.label in group.scores]
    if group is None or len(arms) < 2 or study.run is not None:
        return None
    tint = colours(study)
    figure, axes = canvas(0.3 * len(arms) + 0.75)
    for place, arm in enumerate(arms):
        score = group.scores[arm.label]
        dot(axes, place, score.value, score.low, score.high, tint[arm.label], label=True)
    name_rows(axes, [_label(arm.label) for arm in arms])
    axes.set_xlabel("points")
    axes.grid(axis="x")
    return Drawn(figure, "The arms", f"Mean over {described(group)}; {_lines(study)}.")


def groups(study: Study) -> Drawn | None:
    """Means over groups of tasks, a bar per arm."""
    titles = {group.name: group_name(group.name) for group in study.groups}
    scores = {group.name: group.scores for group in study.groups}
    return _bars(study, titles, scores, "Means over groups of tasks", f"In points; {_lines(study)}.")


def scores(study: Study) -> Drawn | None:
    """Scores by task, a bar per arm, with the best answer that needs no model."""
    known = {task.name: task.scores for task in study.tasks if any(score.known for score in task.scores.values())}
    titles = {task.name: _title(task, 58) for task in study.tasks if task.name in known}
    caption = f"Each task by its metric of record, in points; {_lines(study)}."
    return _bars(study, titles, known, "Scores by task", caption, _baselines(study))


def _baselines(study: Study) -> list[Series]:
    best = {task.name: Score(task.baseline[1]) for task in study.tasks if task.baseline is not None}
    return [Series("best baseline", "grey", best)] if best else []


def _bars(
    study: Study,
    titles: Mapping[str, str],
    scores: Mapping[str, Mapping[str, Score]],
    title: str,
    caption: str,
    others: Sequence[Series] = (),
) -> Drawn | None:
    single = study.run is not None
    arms = list(reversed(study.columns)) if single else study.columns
    if not titles or not (1 < len(arms) <= MOST + 1 or others):
        return None
    tint = {arm.label: colour for arm, colour in zip(arms, PALETTE, strict=False)} if single else colours(study)
    series = [
        Series(
            _label(arm.label), tint[arm.label], {name: of[arm.label] for name, of in scores.items() if arm.label in of}
        )
        for arm in arms
    ]
    return Drawn(grouped_bars(titles, [*series, *others], bold=0 if single else None), title, caption)


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
                dot(axes, y, change.value, change.low, change.high, tint[arm.label], filled=change.verdict != "tie")
    name_rows(axes, [_title(task, 30) for task in tasks])
    axes.axvline(0, color=COLOURS["ink"], linewidth=0.9)
    axes.set_xlabel(f"points better than {_label(study.reference.label)}")
    axes.grid(axis="x")
    if len(arms) > 1:
        legend(figure, [(_label(arm.label), tint[arm.label]) for arm in arms])
    caption = (
        "Differences with 95 % intervals. Filled: p below 0.05, Holm-corrected over the tasks; "
        "hollow: can't be told apart."
    )
    return Drawn(figure, f"Against {_label(study.reference.label)}", caption)


def verdicts(study: Study) -> Drawn | None:
    """Rows that each arm answered better than, as well as and worse than the reference, as in the paper's figure 2."""
    arms = [arm for arm in _against(study) if any(arm.label in task.verdicts for task in study.tasks)][:3]
    tasks = [task for task in study.tasks if all(arm.label in task.verdicts for arm in arms)]
    if study.reference is None or not arms or not tasks:
        return None
    figure, all_axes = panels(len(arms), (0.25 * len(tasks) + 0.45) * len(arms) + 0.45)
    for axes, arm in zip(all_axes, arms, strict=True):
        for place, task in enumerate(tasks):
            parts = zip(task.verdicts[arm.label], VERDICTS, strict=True)
            shares(axes, place, [(share * 100, colour) for share, (_, colour) in parts])
        name_rows(axes, [_title(task, 34) for task in tasks])
        axes.set_xlim(0, 100)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        title = f"{_label(arm.label)} against {_label(study.reference.label)}"
        axes.set_title(title, loc="left", fontsize=10, color=COLOURS["ink"])
    legend(figure, list(VERDICTS))
    caption = (
        "Share of rows answered better, equally well and worse, in percent: "
        "F1 of an answer's parts, ROUGE-L for free text."
    )
    return Drawn(figure, "Rows won, tied and lost", caption)


def composition(study: Study) -> Drawn | None:
    """Training examples by where their labels come from: of every arm, or of one run by family."""
    rows: dict[str, Counter[str]] = {}
    for arm in study.arms:
        manifest = arm.members[0].run.manifest
        for task in manifest.tasks if manifest else []:
            row = _label(arm.label) if study.run is None else drawable(task.family.replace("_", " "), width=36)
            rows.setdefault(row, Counter())[task.group] += task.examples
    kinds = "atomic tasks by whether their labels are golden or made by a model."
    if study.run is None:
        return _examples(list(rows.items()), "What the arms were trained on", f"Training examples of each arm; {kinds}")
    ordered = sorted(rows.items(), key=lambda row: (-row[1].total(), row[0]))
    return _examples(ordered, "What the model was trained on", f"Training examples by task family; {kinds}")


def examples(study: Study) -> Drawn | None:
    """Training examples of every task of one run."""
    manifest = study.run.manifest if study.run else None
    tasks = sorted(manifest.tasks if manifest else [], key=lambda task: (-task.examples, task.name))
    one_source = len({task.source for task in tasks}) == 1
    rows = []
    for task in tasks[:MOST_TASKS]:
        name = task.name.removeprefix(f"{task.source}.") if one_source else task.title
        rows.append((drawable(name.replace("_", " "), task.name, width=40), Counter({task.group: task.examples})))
    largest = f"The {MOST_TASKS} largest of {len(tasks)} training tasks."
    caption = largest if len(tasks) > MOST_TASKS else "Training examples of every task."
    return _examples(rows, "Examples per task", caption)


def _examples(rows: Sequence[tuple[str, Counter[str]]], title: str, caption: str) -> Drawn | None:
    rows = [(name, parts) for name, parts in rows if parts.total()]
    if not rows:
        return None
    used = {group: colour for group, colour in GROUPS.items() if any(parts[group] for _, parts in rows)}
    figure, axes = canvas(0.235 * len(rows) + 0.75)
    stacked_bars(axes, rows, used)
    legend(figure, list(used.items()))
    return Drawn(figure, title, caption)


def _against(study: Study) -> list[Arm]:
    """The arms to hold against the reference: those nearest the top where there are too many to draw."""
    group = study.answer
    arms = [arm for arm in study.columns if arm is not study.reference and not (arm.untrained and study.challengers)]
    if len(arms) <= MOST or group is None:
        return arms
    best = sorted(arms, key=lambda arm: -group.changes[arm.label].value if arm.label in group.changes else math.inf)
    return [arm for arm in arms if arm in best[:MOST]]


def _lines(study: Study) -> str:
    seeds = " and seeds" if any(len(arm.seeds) > 1 for arm in study.arms) else ""
    return f"lines are 95 % intervals over rows{seeds}"


def _label(text: str) -> str:
    return drawable(text, width=34)


def _title(task: Comparison, width: int) -> str:
    return drawable(task.title, task.name.rpartition("/")[2], width=width)


Chart = Callable[[Study], Drawn | None]
