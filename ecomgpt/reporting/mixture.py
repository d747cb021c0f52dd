"""Pictures of a mixture: the chain of tasks, tasks by family and language, and how long prompts and answers are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecomgpt.reporting.drawing import COLOURS, legend, panels, save, stacked_bars, style
from ecomgpt.tasks.chain import SORTS, sort_of
from ecomgpt.tasks.declaration import Task

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

SORT_COLOURS = dict(zip(SORTS, ("grey", "blue", "orange", "green", "pink"), strict=True))
FIGURES = ("chain", "tasks", "lengths")
"""Their names, in the order in which a person would look at them."""


def draw(
    folder: Path,
    tasks: Sequence[Task],
    manifest: dict[str, Any],
    lengths: np.ndarray,
    targets: np.ndarray,
    chinese: np.ndarray,
) -> list[Path]:
    """Draws the figures of a mixture.

    Args:
        folder: Where the PNG and SVG files are written.
        tasks: The declarations that the mixture uses.
        manifest: The mixture's manifest.
        lengths: Tokens of each example, shape (examples,).
        targets: Answer tokens of each example, end of sequence included, shape (examples,).
        chinese: Whether its text is Chinese, shape (examples,), bool.

    Returns:
        The PNG files, in the order in which a person would look at them.
    """
    with style():
        drawn = (chain(tasks), tasks_by_family(manifest), token_lengths(lengths - targets, targets, chinese))
        for name, figure in zip(FIGURES, drawn, strict=True):
            save(figure, folder, name)
    return [folder / f"{name}.png" for name in FIGURES if (folder / f"{name}.png").is_file()]


def chain(tasks: Sequence[Task]) -> Figure | None:
    """The chain: which basic data tasks are made from, how, and which final families they feed."""
    links = [(task.record, sort_of(task), family) for task in tasks for family in task.serves or [task.family]]
    if not links:
        return None
    titles = ("basic data", "final task families they feed")
    sides: list[dict[str, Counter[str]]] = [{}, {}]
    for record, sort, family in links:
        for side, name in zip(sides, (record, family), strict=True):
            side.setdefault(_words(name), Counter())[sort] += 1
    figure, both = panels(2, 0.235 * max(map(len, sides)) + 1.2, 9.5, across=True)
    for axes, side, title in zip(both, sides, titles, strict=True):
        rows = sorted(side.items(), key=lambda row: (-row[1].total(), row[0]))
        stacked_bars(axes, rows, SORT_COLOURS)
        axes.set_ylim(max(map(len, sides)) - 0.45, -0.55)
        axes.set_title(title, loc="left", fontsize=10, color=COLOURS["ink"])
    note = "Numbers count links: a task that feeds two families counts twice. Raw tasks count for their own family."
    figure.supxlabel(note, fontsize=8.5, color=COLOURS["muted"])
    _legend(figure, {sort for _, sort, _ in links})
    return figure


def tasks_by_family(manifest: dict[str, Any]) -> Figure | None:
    """Tasks of the mixture by family, English at the left and Chinese at the right, by how they were made."""
    counted: dict[str, dict[str, Counter[str]]] = {}
    for task in manifest["tasks"]:
        sort = task["kind"] if task["kind"] == "raw" else task["operation"] or task["label"]
        for language in ("en", "zh") if task["language"] == "mul" else (task["language"],):
            counted.setdefault(task["family"], {"en": Counter(), "zh": Counter()})[language][sort] += 1
    if not counted:
        return None
    order = sorted(counted, key=lambda name: (-sum(side.total() for side in counted[name].values()), name))
    figure, both = panels(2, 0.235 * len(order) + 1.0, 9.0, across=True)
    most = max(side.total() for sides in counted.values() for side in sides.values())
    for axes, language, title in zip(both, ("en", "zh"), ("English", "Chinese"), strict=True):
        rows = [(_words(name), counted[name][language]) for name in order]
        stacked_bars(axes, rows, SORT_COLOURS, most)
        total = sum(parts.total() for _, parts in rows)
        axes.set_title(f"{title}: {total} tasks", loc="left", fontsize=10, color=COLOURS["ink"])
    both[1].set_yticks([])  # The names at the left are those of both.
    _legend(figure, {sort for sides in counted.values() for side in sides.values() for sort in side})
    return figure


def token_lengths(prompts: np.ndarray, answers: np.ndarray, chinese: np.ndarray) -> Figure | None:
    """How many tokens prompts and answers have, by language, on a logarithmic axis."""
    import numpy as np
    from matplotlib.ticker import LogLocator

    if not len(prompts):
        return None
    figure, both = panels(2, 3.0, 9.0, across=True)
    titles = ("prompt tokens", "answer tokens, end of sequence included")
    for axes, values, title in zip(both, (prompts, answers), titles, strict=True):
        # Bins of whole numbers: there are no answers of two and a half tokens.
        edges = (np.unique(np.round(np.geomspace(max(1, values.min()), values.max() + 1, 25))) - 0.5).tolist()
        for mask, colour, name in ((~chinese, COLOURS["blue"], "English"), (chinese, COLOURS["orange"], "Chinese")):
            if mask.any():
                label = f"{name}, median {int(np.median(values[mask])):,}"
                axes.hist(values[mask], edges, histtype="stepfilled", color=colour, alpha=0.35, linewidth=0)
                axes.hist(values[mask], edges, histtype="step", color=colour, linewidth=1.4, label=label)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.xaxis.set_minor_formatter(lambda value, _: "")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_title(title, loc="left", fontsize=10, color=COLOURS["ink"])
        axes.set_ylabel("examples")
        axes.grid(axis="y")
        axes.legend(fontsize=8.5, loc="upper right")
    return figure


def _words(name: str) -> str:
    """A name of ours as people read it; ``EntityText`` is written in two words."""
    if name.islower() or "_" in name:
        return name.replace("_", " ")
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def _legend(figure: Figure, sorts: set[str]) -> None:
    legend(figure, [(sort, colour) for sort, colour in SORT_COLOURS.items() if sort in sorts])
