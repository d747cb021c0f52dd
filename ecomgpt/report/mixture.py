"""Pictures of a mixture: the chain of tasks, tasks by family and language, and how long prompts and answers are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecomgpt.report.charts import COLOURS
from ecomgpt.report.figures import STYLE
from ecomgpt.report.fonts import families
from ecomgpt.tasks.chain import SORTS, sort_of
from ecomgpt.tasks.declaration import Task

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with every common kind of colour blindness.
SORT_COLOURS = {
    "raw": "#8c9096",
    "simplification": "#0072b2",
    "reversal": "#e69f00",
    "recombination": "#009e73",
    "pseudo": "#cc79a7",
}
FIGURES = ("chain", "chain_tasks", "tasks", "lengths")
"""Their names, in the order in which a person would look at them."""
GAP = 0.9
"""Between the boxes of a column, in tasks."""


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
        folder: Where the PNG files are written.
        tasks: The declarations that the mixture uses.
        manifest: The mixture's manifest.
        lengths: Tokens of each example, shape (examples,).
        targets: Answer tokens of each example, end of sequence included, shape (examples,).
        chinese: Whether its text is Chinese, shape (examples,), bool.

    Returns:
        The files, in the order in which a person would look at them.
    """
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with matplotlib.rc_context({**STYLE, "font.family": list(families())}):
        drawn = (
            chain(tasks),
            chain_tasks(tasks),
            tasks_by_family(manifest),
            token_lengths(lengths - targets, targets, chinese),
        )
        for name, figure in zip(FIGURES, drawn, strict=True):
            if figure is None:  # What an earlier build drew must not stand beside numbers that it does not show.
                (folder / f"{name}.png").unlink(missing_ok=True)
                continue
            figure.savefig(folder / f"{name}.png", metadata={"Software": None})
            written.append(folder / f"{name}.png")
    return written


def chain(tasks: Sequence[Task]) -> Figure | None:
    """The chain as flows: basic data, by operation, to the final families; a flow's width is its number of tasks."""
    flows = [(task.record, sort_of(task), family) for task in tasks for family in (task.serves or [task.family])]
    if not flows:
        return None
    columns = [_ordered(Counter(flow[place] for flow in flows), SORTS if place == 1 else ()) for place in range(3)]
    height = max(sum(sizes.values()) + GAP * len(sizes) for sizes in columns)
    figure, axes = _canvas(9.5, max(3.5, 0.054 * height + 1.2))
    tops = [_tops(sizes, height) for sizes in columns]
    places = [0, 1, 2]
    for left in (0, 1):
        _ribbons(axes, flows, left, columns, tops, places)
    for place, sizes in enumerate(columns):
        for name, size in sizes.items():
            top = tops[place][name]
            colour = SORT_COLOURS[name] if place == 1 else COLOURS["ink"]
            axes.add_patch(_box(places[place], top, size, colour))
            side = "right" if place == 0 else "left"
            at = places[place] + (-0.03 if place == 0 else 0.03)
            axes.text(
                at,
                top + size / 2,
                f"{_words(name)}  {size}",
                ha=side,
                va="center",
                fontsize=8.5 if place != 1 else 10,
                weight="bold" if place == 1 else "normal",
            )
    for place, title in zip(
        places, ("basic data", "how the tasks are made", "final task families they feed"), strict=True
    ):
        axes.text(
            place,
            -2.2,
            title,
            ha=("right", "center", "left")[int(place)],
            va="bottom",
            fontsize=10.5,
            color=COLOURS["muted"],
        )
    note = "Numbers count links: a task that feeds two families counts twice. Raw tasks count for their own family."
    axes.text(-0.34, height + 3, note, va="top", fontsize=8.5, color=COLOURS["muted"])
    axes.set_xlim(-0.34, 2.62)
    axes.set_ylim(height + 6, -5)
    axes.axis("off")
    return figure


def _ordered(sizes: Counter[str], order: Sequence[str]) -> dict[str, int]:
    names = [name for name in order if name in sizes] or sorted(sizes, key=lambda name: (-sizes[name], name))
    return {name: sizes[name] for name in names}


def _tops(sizes: dict[str, int], height: float) -> dict[str, float]:
    """Where each box begins; a column is spread over the whole height."""
    gap = (height - sum(sizes.values())) / max(1, len(sizes) - 1) if len(sizes) > 1 else 0.0
    tops, at = {}, 0.0 if len(sizes) > 1 else (height - sum(sizes.values())) / 2
    for name, size in sizes.items():
        tops[name] = at
        at += size + gap
    return tops


def _ribbons(
    axes: Axes,
    flows: list[tuple[str, str, str]],
    left: int,
    columns: list[dict[str, int]],
    tops: list[dict[str, float]],
    places: Sequence[int],
) -> None:
    """Curved bands between two neighbouring columns, in the colour of the operation."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    counted = Counter((flow[left], flow[left + 1]) for flow in flows)
    begin, end = dict(tops[left]), dict(tops[left + 1])
    x0, x1 = places[left] + 0.02, places[left + 1] - 0.02
    middle = (x0 + x1) / 2
    for source in columns[left]:
        for target in columns[left + 1]:
            size = counted[source, target]
            if not size:
                continue
            a, b = begin[source], end[target]
            begin[source] += size
            end[target] += size
            points = [
                (x0, a),
                (middle, a),
                (middle, b),
                (x1, b),
                (x1, b + size),
                (middle, b + size),
                (middle, a + size),
                (x0, a + size),
                (x0, a),
            ]
            codes = [Outline.MOVETO, *[Outline.CURVE4] * 3, Outline.LINETO, *[Outline.CURVE4] * 3, Outline.CLOSEPOLY]
            colour = SORT_COLOURS[source if left else target]
            axes.add_patch(PathPatch(Outline(points, codes), facecolor=colour, alpha=0.38, linewidth=0))


def _box(x: float, top: float, size: float, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.02, top), 0.04, size, facecolor=colour, linewidth=0)


def chain_tasks(tasks: Sequence[Task]) -> Figure | None:
    """The chain task by task: a row an atomic task, a column a final family, a mark where the one feeds the other."""
    atomic = sorted(
        (task for task in tasks if task.serves), key=lambda task: (SORTS.index(sort_of(task)), task.family, task.name)
    )
    if not atomic:
        return None
    names = sorted({family for task in atomic for family in task.serves})
    sizes = Counter(family for task in atomic for family in task.serves)
    figure, axes = _canvas(3.1 + 0.235 * len(names), 0.158 * len(atomic) + 2.3)
    for row, task in enumerate(atomic):
        colour = SORT_COLOURS[sort_of(task)]
        if row % 2:
            axes.axhspan(row - 0.5, row + 0.5, color=COLOURS["grid"], alpha=0.35, linewidth=0)
        for family in task.serves:
            axes.scatter(names.index(family), row, s=34, marker="s", color=colour, linewidth=0, zorder=3)
    axes.set_yticks(range(len(atomic)), [_words(task.name) for task in atomic], fontsize=7.6, color=COLOURS["ink"])
    axes.set_xticks(
        range(len(names)),
        [f"{_words(name)}  {sizes[name]}" for name in names],
        rotation=90,
        fontsize=8,
        color=COLOURS["ink"],
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylim(len(atomic) - 0.4, -0.6)
    axes.grid(axis="x", alpha=0.7)
    for spine in axes.spines.values():
        spine.set_visible(False)
    _legend(figure, [sort for sort in SORTS if any(sort_of(task) == sort for task in atomic)])
    return figure


def tasks_by_family(manifest: dict[str, Any]) -> Figure | None:
    """Tasks of the mixture by family, English to the left and Chinese to the right, by how they were made."""
    counted: dict[str, dict[str, Counter[str]]] = {}
    for task in manifest["tasks"]:
        sort = task["kind"] if task["kind"] == "raw" else task["operation"] or task["label"]
        for language in ("en", "zh") if task["language"] == "mul" else (task["language"],):
            counted.setdefault(task["family"], {"en": Counter(), "zh": Counter()})[language][sort] += 1
    if not counted:
        return None
    order = sorted(counted, key=lambda name: (-sum(sum(side.values()) for side in counted[name].values()), name))
    figure, both = _panels(9.0, 0.235 * len(order) + 1.0)
    most = {language: max(1, *(sum(counted[name][language].values()) for name in order)) for language in ("en", "zh")}
    for axes, language, title in zip(both, ("en", "zh"), ("English", "Chinese"), strict=True):
        total = 0
        for row, name in enumerate(order):
            at = 0
            for sort in SORTS:
                size = counted[name][language][sort]
                axes.barh(row, size, left=at, height=0.7, color=SORT_COLOURS[sort], linewidth=0)
                at += size
            if at:
                axes.annotate(
                    str(at),
                    (at, row),
                    xytext=(-4 if language == "en" else 4, 0),
                    textcoords="offset points",
                    va="center",
                    ha="right" if language == "en" else "left",
                    fontsize=8,
                    color=COLOURS["muted"],
                )
            total += at
        axes.set_title(
            f"{title}: {total} tasks", fontsize=10, color=COLOURS["ink"], loc="right" if language == "en" else "left"
        )
        axes.set_xlim(0, max(most.values()) * 1.1)
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_xticks([])
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    both[0].invert_xaxis()
    both[0].set_yticks([])
    both[1].set_yticks(
        range(len(order)), [_words(name) for name in order], fontsize=8.5, color=COLOURS["ink"], ha="center"
    )
    both[1].tick_params(axis="y", pad=78)
    used = {sort for sides in counted.values() for side in sides.values() for sort in side}
    _legend(figure, [sort for sort in SORTS if sort in used])
    return figure


def token_lengths(prompts: np.ndarray, answers: np.ndarray, chinese: np.ndarray) -> Figure | None:
    """How many tokens prompts and answers have, by language, on a logarithmic axis."""
    import numpy as np
    from matplotlib.ticker import LogLocator

    if not len(prompts):
        return None
    figure, both = _panels(9.0, 3.0)
    for axes, values, title in zip(
        both, (prompts, answers), ("prompt tokens", "answer tokens, end of sequence included"), strict=True
    ):
        # Bins of whole numbers: there are no answers of two and a half tokens.
        edges = (np.unique(np.round(np.geomspace(max(1, values.min()), values.max() + 1, 25))) - 0.5).tolist()
        for mask, colour, name in ((~chinese, COLOURS["blue"], "English"), (chinese, COLOURS["orange"], "Chinese")):
            if mask.any():
                median = int(np.median(values[mask]))
                axes.hist(values[mask], bins=edges, histtype="stepfilled", color=colour, alpha=0.35, linewidth=0)
                axes.hist(
                    values[mask],
                    bins=edges,
                    histtype="step",
                    color=colour,
                    linewidth=1.4,
                    label=f"{name}, median {median:,}",
                )
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


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _panels(width: float, height: float) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes: Any = figure.subplots(1, 2)
    return figure, list(axes)


def _legend(figure: Figure, sorts: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=SORT_COLOURS[sort], label=sort) for sort in sorts]
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=len(handles),
        fontsize=9,
        handlelength=1,
        handleheight=1,
        borderpad=0.2,
    )
