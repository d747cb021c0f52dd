"""What a report's lines show: scores over a number that was swept, loss and throughput, and the chain of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import yaml

from ecomgpt.common.errors import UserError
from ecomgpt.reporting import mixture
from ecomgpt.reporting.arms import Arm, worded
from ecomgpt.reporting.charts import MOST, PALETTE, colours
from ecomgpt.reporting.drawing import COLOURS, Drawn, canvas, legend, panels
from ecomgpt.reporting.findings import described
from ecomgpt.reporting.fonts import drawable
from ecomgpt.reporting.load import mapping
from ecomgpt.reporting.study import Comparison, Study
from ecomgpt.reporting.text import count
from ecomgpt.tasks.declaration import load_tasks

SIZE = "model.name"
POINTS = 3
"""A curve has at least so many."""


def curve(study: Study) -> Drawn | None:
    """The mean over the answer's tasks against the number that was swept: tasks, examples, width, model size."""
    group, key = study.answer, swept(study.arms)
    if group is None or key is None:
        return None
    lines: dict[str, list[tuple[float, Arm]]] = {}
    for arm in study.arms:
        x = place(arm, key)
        if x is not None and arm.label in group.scores:
            rest = ", ".join(worded(*item) for item in arm.values if item[0] != key) or "trained"
            lines.setdefault(rest, []).append((x, arm))
    known = {name: sorted(items, key=lambda item: item[0]) for name, items in lines.items()}
    before = [
        (x, arm)
        for arm in study.backbones
        if key.startswith("model.") and (x := place(arm, key)) is not None and arm.label in group.scores
    ]
    if len(before) >= POINTS:
        known["untrained"] = sorted(before, key=lambda item: item[0])
    if not any(len(items) >= POINTS for items in known.values()) or len(known) > MOST + 1:
        return None
    figure, axes = canvas(2.9)
    entries = []
    for at, (name, items) in enumerate(known.items()):
        colour = "grey" if name == "untrained" else PALETTE[at % MOST]
        _band(axes, items, group, colour)
        entries.append((drawable(name, width=30), colour))
    xs = sorted({x for items in known.values() for x, _ in items})
    if xs[0] > 0 and xs[-1] / xs[0] >= 8:
        axes.set_xscale("log")
    axes.set_xticks(xs, [_short(x) for x in xs])
    axes.minorticks_off()
    axes.set_xlabel(drawable("parameters" if key == SIZE else key.replace(".", ": ").replace("_", " ")))
    axes.set_title("points", loc="left", fontsize=9, color=COLOURS["muted"])
    axes.grid(axis="y")
    if len(entries) > 1:
        legend(figure, entries)
    titles = {"data.max_tasks": "Task diversity", SIZE: "Model size", "model.hidden_size": "Model size"}
    caption = f"Mean over {described(group)}; bands are 95 % intervals."
    return Drawn(figure, titles.get(key, f"Over {drawable(worded(key, '').strip())}"), caption)


def swept(arms: Sequence[Arm]) -> str | None:
    """The key with the most different numbers among those that distinguish the arms; a model counts by its size."""
    keys = [key for key, _ in arms[0].values] if arms else []
    counted = {key: len({x for arm in arms if (x := place(arm, key)) is not None}) for key in keys}
    best = max(counted, key=lambda key: counted[key], default=None)
    return best if best is not None and counted[best] >= POINTS else None


def place(arm: Arm, key: str) -> float | None:
    """Where an arm stands on the axis of a key: the number itself, or the model's parameters."""
    if key == SIZE:
        return _parameters(arm)
    value = dict(arm.config).get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _parameters(arm: Arm) -> float | None:
    from ecomgpt.config.schema import ModelConfig
    from ecomgpt.model.size import parameters

    known: dict[str, Any] = {
        one.name: arm.config.get(f"model.{one.name}")
        for one in fields(ModelConfig)
        if f"model.{one.name}" in arm.config
    }
    try:
        return parameters(ModelConfig(**known))
    except TypeError:  # A shape that holds something else than numbers.
        return None


def _band(axes: Any, items: Sequence[tuple[float, Arm]], group: Comparison, colour: str) -> None:
    xs = [x for x, _ in items]
    found = [group.scores[arm.label] for _, arm in items]
    lows, highs, values = ([getattr(one, key) * 100 for one in found] for key in ("low", "high", "value"))
    axes.fill_between(xs, lows, highs, color=COLOURS[colour], alpha=0.18, linewidth=0)
    axes.plot(xs, values, color=COLOURS[colour], marker="o", markersize=4.5, linewidth=1.8)


def _short(x: float) -> str:
    """``1.7B``, ``96``, ``0.5``."""
    for size, letter in ((1e9, "B"), (1e6, "M")):
        if x >= size:
            return f"{x / size:.3g}{letter}"
    return f"{x:.4g}" if x < 10_000 else count(x)


def training(study: Study) -> Drawn | None:
    """Loss and throughput over optimizer steps, a colour per arm, a line per seed."""
    members = [(arm, one) for arm in study.arms for one in arm.members]
    wanted = [("loss", "loss"), ("tokens_per_second", "tokens per second")]
    shown = [(name, title) for name, title in wanted if any(one.run.curve.get(name) for _, one in members)]
    if not shown:
        return None
    tint = colours(study)
    figure, all_axes = panels(len(shown))
    for axes, (name, title) in zip(all_axes, shown, strict=True):
        for arm, one in members:
            _line(
                axes, one.run.curve.get(name) or [], COLOURS[tint[arm.label]], len(arm.members), study.run is not None
            )
        axes.set_title(title, loc="left", fontsize=10, color=COLOURS["ink"])
        axes.grid(axis="y")
        if name != "loss":  # Rates begin at zero, losses do not.
            axes.set_ylim(bottom=0)
            axes.yaxis.set_major_formatter(lambda value, _: count(value))
    all_axes[-1].set_xlabel("optimizer step")
    if 1 < len(study.arms) <= MOST:
        legend(figure, [(drawable(arm.label, width=34), tint[arm.label]) for arm in study.arms])
    several = "Every run's mean over a tenth of its logged steps; a colour per arm."
    caption = several if study.run is None else "Thin: every logged step. Thick: mean over a tenth of them."
    return Drawn(figure, "Training", caption)


def _line(axes: Any, curve: Sequence[tuple[float, float]], colour: str, seeds: int, raw: bool) -> None:
    if not curve:
        return
    steps, values = zip(*curve, strict=True)
    means = smooth(values) if len(values) >= 20 else values
    if raw and means is not values:
        axes.plot(steps, values, color=colour, alpha=0.3, linewidth=1.0)
    # A point that was logged alone would be invisible as a line.
    marker = "o" if len(steps) < 3 else ""
    width, alpha = (1.8, 1.0) if seeds == 1 else (1.1, 0.75)
    axes.plot(steps, means, color=colour, linewidth=width, alpha=alpha, marker=marker)


def smooth(values: Sequence[float]) -> list[float]:
    """Mean over a centred window of a tenth of the points, smaller towards both ends, so that it does not lag."""
    reach = max(1, len(values) // 20)
    means = []
    for index in range(len(values)):
        near = min(reach, index, len(values) - 1 - index)
        window = values[index - near : index + near + 1]
        means.append(sum(window) / len(window))
    return means


def chain(study: Study) -> Drawn | None:
    """The chain of tasks of the arm that was trained on most kinds of tasks; None where they are not declared here."""
    runs = [arm.members[0].run for arm in study.arms]
    kinds = [
        {task.name.split(".", 1)[-1] for task in run.manifest.tasks if task.examples} if run.manifest else set()
        for run in runs
    ]
    names, run = max(zip(kinds, runs, strict=True), key=lambda item: len(item[0]), default=(set(), None))
    if not names or run is None:
        return None
    try:
        paths = mapping(mapping(yaml.safe_load(run.config)).get("paths"))
        figure = mixture.chain(load_tasks(sorted(names), paths.get("conf")))
    except (UserError, yaml.YAMLError):  # Trained with declarations of an own folder, or of another version.
        return None
    caption = (
        f"The {len(names)} kinds of training tasks: basic data, how tasks were made from it, "
        "and the families that they feed."
    )
    return Drawn(figure, "The chain of tasks", caption, wide=True) if figure else None
