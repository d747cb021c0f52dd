"""The win/tie/loss chart: one stacked bar a task, in the style of the paper's figure 2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ecomgpt.report.charts import COLOURS, WIDTH
from ecomgpt.report.figures import STYLE
from ecomgpt.report.fonts import drawable, families

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NARROW = 6.0
"""Percent; the number of a narrower part has no room in it."""


class Counted(Protocol):
    """A bar: rows won, tied and lost."""

    @property
    def title(self) -> str: ...
    @property
    def win(self) -> int: ...
    @property
    def tie(self) -> int: ...
    @property
    def loss(self) -> int: ...


def wins(bars: Sequence[Counted], one: str, other: str) -> Figure:
    """Draws one bar for each of ``bars``, in percent of its rows; the number of rows stands at its end.

    Args:
        bars: From top to bottom.
        one: The run that wins and loses.
        other: The run that it is compared with.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    pitch, thick = 0.46, 0.22  # inches from bar to bar, and of a bar
    figure = Figure(figsize=(WIDTH, pitch * len(bars) + 0.85), layout="constrained")
    axes: Axes = figure.subplots()
    for index, bar in enumerate(bars):
        axes.text(0, index * pitch + 0.11, drawable(bar.title, width=58), va="center", fontsize=9.5)
        _stack(axes, index * pitch + 0.32, thick, bar)
    axes.set_ylim(pitch * len(bars) + 0.02, 0)
    axes.set_xlim(0, 108)
    axes.set_yticks([])
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("percent of rows")
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_bounds(0, 100)
    names = (
        (f"{drawable(one, width=24)} wins", "blue"),
        ("tie", "grey"),
        (f"{drawable(other, width=24)} wins", "orange"),
    )
    handles = [Patch(color=COLOURS[colour], label=name) for name, colour in names]
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=3,
        fontsize=8.5,
        handlelength=1,
        handleheight=1,
        columnspacing=1.2,
    )
    return figure


def _stack(axes: Axes, y: float, thick: float, bar: Counted) -> None:
    counts = {"blue": bar.win, "grey": bar.tie, "orange": bar.loss}
    n = sum(counts.values())
    left = 0.0
    for colour, count in counts.items():
        share = 100 * count / n
        axes.barh(y, share, left=left, height=thick, color=COLOURS[colour])
        if share >= NARROW:
            ink = COLOURS["paper" if colour == "blue" else "ink"]
            axes.text(left + share / 2, y, f"{share:.0f}", ha="center", va="center", fontsize=8, color=ink)
        left += share
    axes.annotate(
        f"{n:,}", (100, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8, color=COLOURS["muted"]
    )


def save(bars: Sequence[Counted], one: str, other: str, folder: Path, name: str = "wins") -> list[Path]:
    """Writes `<name>.png` and `<name>.svg`, the same bytes every time.

    Returns:
        Both paths.
    """
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    with matplotlib.rc_context({**STYLE, "font.family": list(families()), "svg.hashsalt": name}):
        canvas = wins(bars, one, other)
        canvas.savefig(paths[0], metadata={"Software": None})
        canvas.savefig(paths[1], metadata={"Date": None, "Creator": None})
    return paths
