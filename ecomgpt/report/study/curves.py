"""What a study's lines show: scores over a number that was swept, loss and throughput by arm, and the chain of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from ecomgpt.report import chain as of_run
from ecomgpt.report.charts import COLOURS, Drawn, canvas, legend, over_steps, panels, smooth
from ecomgpt.report.fonts import drawable
from ecomgpt.report.study.arms import Arm, worded
from ecomgpt.report.study.charts import MOST, PALETTE, colours
from ecomgpt.report.study.compare import Outcome, Study
from ecomgpt.report.study.findings import described
from ecomgpt.report.text import count

SIZE = "model.name"
POINTS = 3
"""A curve has at least so many."""


def curve(study: Study) -> Drawn | None:
    """The mean over the answer's tasks against the number that was swept: tasks, examples, width, or the model's size."""
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
    """The key with the most different numbers among those that tell the arms apart, or the model where it has most sizes."""
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


def _band(axes: Any, items: Sequence[tuple[float, Arm]], group: Outcome, colour: str) -> None:
    xs = [x for x, _ in items]
    found = [group.scores[arm.label] for _, arm in items]
    axes.fill_between(
        xs,
        [one.low * 100 for one in found],
        [one.high * 100 for one in found],
        color=COLOURS[colour],
        alpha=0.18,
        linewidth=0,
    )
    axes.plot(xs, [one.value * 100 for one in found], color=COLOURS[colour], marker="o", markersize=4.5, linewidth=1.8)


def _short(x: float) -> str:
    """``1.7B``, ``96``, ``0.5``."""
    for size, letter in ((1e9, "B"), (1e6, "M")):
        if x >= size:
            return f"{x / size:.3g}{letter}"
    return f"{x:.4g}" if x < 10_000 else count(x)


def training(study: Study) -> Drawn | None:
    """Loss and throughput over optimiser steps, a colour an arm, a line a seed."""
    wanted = [("loss", "loss"), ("tokens_per_second", "tokens a second")]
    shown = [
        (name, title)
        for name, title in wanted
        if any(one.run.curve.get(name) for arm in study.arms for one in arm.members)
    ]
    if not shown:
        return None
    tint = colours(study)
    figure, all_axes = panels(len(shown))
    for axes, (name, title) in zip(all_axes, shown, strict=True):
        for arm in study.arms:
            for one in arm.members:
                _line(axes, one.run.curve.get(name) or [], COLOURS[tint[arm.label]], len(arm.members))
        over_steps(axes, name, title)
    all_axes[-1].set_xlabel("optimiser step")
    if 1 < len(study.arms) <= MOST:
        legend(figure, [(drawable(arm.label, width=34), tint[arm.label]) for arm in study.arms])
    return Drawn(figure, "Training", "Every run's mean over a tenth of its logged steps; a colour an arm.")


def _line(axes: Any, curve: Sequence[tuple[float, float]], colour: str, seeds: int) -> None:
    if not curve:
        return
    steps, values = zip(*curve, strict=True)
    means = smooth(values) if len(values) >= 20 else values
    # A point that was logged alone would be invisible as a line.
    axes.plot(
        steps,
        means,
        color=colour,
        linewidth=1.6 if seeds == 1 else 1.1,
        alpha=1.0 if seeds == 1 else 0.75,
        marker="o" if len(steps) < 3 else "",
    )


def chain(study: Study) -> Drawn | None:
    """The chain of tasks of the arm that was trained on most kinds of tasks."""
    runs = [arm.members[0].run for arm in study.arms if arm.members[0].run.manifest]
    most = max(runs, key=lambda run: len(run.manifest.tasks) if run.manifest else 0, default=None)
    return of_run.chain(most) if most else None
