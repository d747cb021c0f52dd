"""The win/tie/loss chart: one stacked bar per task, in the style of the paper's figure 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ecomgpt.reporting.drawing import BESIDE, COLOURS, canvas, legend, shares
from ecomgpt.reporting.fonts import drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def wins(bars: Sequence[tuple[str, int, int, int]], one: str, other: str) -> Figure:
    """Draws one bar for each of ``bars``, in percent of its rows; the number of rows stands at its end.

    Args:
        bars: (title, rows won, tied and lost) from top to bottom.
        one: The run that wins and loses.
        other: The run that it is compared with.
    """
    pitch = 0.46  # inches from bar to bar
    figure, axes = canvas(pitch * len(bars) + 0.85)
    for index, (title, *sizes) in enumerate(bars):
        n, y = sum(sizes), index * pitch + 0.32
        axes.text(0, y - 0.21, drawable(title, width=58), va="center", fontsize=9.5)
        parts = zip(sizes, ("blue", "grey", "orange"), strict=True)
        shares(axes, y, [(100 * part / n, colour) for part, colour in parts], height=0.22)
        axes.annotate(f"{n:,}", (100, y), (4, 0), fontsize=8, color=COLOURS["muted"], **BESIDE)
    axes.set_ylim(pitch * len(bars) + 0.02, 0)
    axes.set_xlim(0, 108)
    axes.set_yticks([])
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("percent of rows")
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_bounds(0, 100)
    names = [f"{drawable(name, width=20)} wins" for name in (one, other)]
    legend(figure, [(names[0], "blue"), ("tie", "grey"), (names[1], "orange")])
    return figure
