"""Parts that every figure is drawn from, and how a figure becomes files and an element of a page."""

from __future__ import annotations

import html
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ecomgpt.eval.metrics_file import Score
from ecomgpt.reporting.fonts import families
from ecomgpt.reporting.text import count, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

T = TypeVar("T")
WIDTH = 5.0  # inches; narrow, so that a point of text is about a pixel on a phone
# Okabe and Ito's palette, which works with every common kind of colour blindness. Pages give each colour a light and a
# dark variant under the same name.
COLOURS = {
    **{"ink": "#1c1d1f", "muted": "#6a6d73", "grid": "#e1e2e5", "paper": "#ffffff", "grey": "#a3a6ac"},
    **{"blue": "#0072b2", "orange": "#e69f00", "pink": "#cc79a7"},
    **{"green": "#009e73", "sky": "#56b4e9", "red": "#d55e00"},
}
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "text.parse_math": False,  # a "$" in a title is a price
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), COLOURS["muted"]),
    **dict.fromkeys(("axes.facecolor", "figure.facecolor"), COLOURS["paper"]),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    "text.color": COLOURS["ink"],
    "axes.axisbelow": True,
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.8,
    "savefig.dpi": 200,
    "svg.fonttype": "path",
}
KEYS: dict[str, Any] = {"handlelength": 1, "handleheight": 1, "borderpad": 0.2, "columnspacing": 1.2}
BESIDE: dict[str, Any] = {"textcoords": "offset points", "va": "center"}
LEAST_LABELLED = 6.0
"""Percent; the number of a narrower part has no room in it."""


@dataclass(frozen=True)
class Drawn:
    """A chart; title and caption are for the page and hold no text from data."""

    canvas: Figure
    title: str
    caption: str
    wide: bool = False
    """Whether it needs more room than a phone's width."""
    svg: str = ""
    """Once it is saved; safe to put into a page, all text in it is drawn as outlines."""


@dataclass(frozen=True)
class Series:
    """One bar in every group: scores by task."""

    name: str
    colour: str
    scores: Mapping[str, Score]


def draw(subject: T, folder: Path, wanted: Mapping[str, Callable[[T], Drawn | None]]) -> dict[str, Drawn]:
    """Draws what there are data for into ``folder``.

    Returns:
        Figures by name, in the order of ``wanted``.
    """
    found = {}
    with style():
        for name, chart in wanted.items():
            drawn = chart(subject)
            svg = save(drawn.canvas if drawn else None, folder, name)
            if drawn is not None:
                found[name] = replace(drawn, svg=_element(svg, name, drawn.title))
    return found


def style() -> Any:
    """The context in which figures are made and saved."""
    import matplotlib

    return matplotlib.rc_context({**STYLE, "font.family": list(families())})


def save(figure: Figure | None, folder: Path, name: str) -> str:
    """Writes `<name>.png` and `<name>.svg`, the same bytes every time; without a figure it removes them.

    Returns:
        The SVG.
    """
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    if figure is None:
        # A figure of an earlier report must not stand beside numbers that it does not show.
        png.unlink(missing_ok=True)
        svg.unlink(missing_ok=True)
        return ""
    figure.savefig(png, metadata={"Software": None})
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg.write_text(buffer.getvalue(), "utf-8")
    return buffer.getvalue()


def _element(svg: str, name: str, title: str) -> str:
    """The figure as an element of a page, that takes its colours from there."""
    unneeded = r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>"
    svg = re.sub(unneeded, "", svg[svg.index("<svg") :], flags=re.DOTALL)
    for colour, value in COLOURS.items():
        svg = svg.replace(value, f"var(--{colour})")
    # Figures share one page, so what each calls figure_1, patch_2 or a glyph must not meet.
    svg = re.sub(r'(\bid="|"#|url\(#)', rf"\g<1>{name}-", svg)
    # The view box alone decides the shape; the page decides the size.
    tag, _, rest = svg.partition(">")
    tag = re.sub(r' (?:width|height)="[^"]*"', "", tag)
    return f'{tag} role="img" aria-label="{html.escape(title)}">{rest}'.strip()


def canvas(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A figure with one plot; inches."""
    figure, axes = panels(1, height, width)
    return figure, axes[0]


def panels(n: int, height: float = 0.0, width: float = WIDTH, across: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure with ``n`` plots, one below the other with a common axis, or beside each other; inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height or 1.95 * n + 0.25), layout="constrained")
    axes: Any = figure.subplots(*((1, n) if across else (n, 1)), sharex=not across, squeeze=False)
    return figure, list(axes.flat)


def legend(figure: Figure, entries: Sequence[tuple[str, str]]) -> None:
    """A line of names with their colours above the plots."""
    from matplotlib.patches import Patch

    handles = [Patch(color=COLOURS[colour], label=name) for name, colour in entries]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), fontsize=9, **KEYS)


def grouped_bars(titles: Mapping[str, str], series: Sequence[Series], bold: int | None = None) -> Figure:
    """Horizontal bars in groups, the title above its group so that bars get the whole width.

    Args:
        titles: By name, in order.
        series: A bar in every group, where it has a score of that name.
        bold: Which of the series has its numbers in bold.
    """
    pitch = 0.19  # inches from bar to bar
    group = pitch * len(series) + 0.36
    figure, axes = canvas(group * len(titles) + 0.85)
    for index, (name, title) in enumerate(titles.items()):
        top = index * group
        axes.text(0, top + 0.13, title, va="center", fontsize=9.5)
        for place, one in enumerate(series):
            score = one.scores.get(name)
            if score is not None and score.known:
                _bar(axes, top + 0.32 + pitch * place, score, COLOURS[one.colour], place == bold)
    axes.set_ylim(group * len(titles), -0.05)
    axes.set_yticks([])
    axes.set_xlim(0, _limit(series))
    axes.set_xlabel("points")
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    legend(figure, [(one.name, one.colour) for one in series])
    return figure


def _bar(axes: Axes, y: float, score: Score, colour: str, bold: bool) -> None:
    value = end = score.value * 100
    axes.barh(y, value, height=0.15, color=colour)
    if score.has_interval:
        reach = [[max(0.0, value - score.low * 100)], [max(0.0, score.high * 100 - value)]]
        axes.errorbar(value, y, xerr=reach, color=COLOURS["ink"], elinewidth=1.1, capsize=1.8, capthick=1.1)
        end = max(value, score.high * 100)
    ink, weight = ("ink", "bold") if bold else ("muted", "normal")
    axes.annotate(points(score.value), (end, y), (4, 0), fontsize=8, color=COLOURS[ink], weight=weight, **BESIDE)


def _limit(series: Sequence[Series]) -> float:
    """The end of the score axis: a little over the highest bar, so that low scores are not drawn as slivers."""
    known = [score for one in series for score in one.scores.values() if score.known]
    ends = [max(score.value, score.high if score.has_interval else 0) for score in known]
    return min(109.0, max(10.0, max(ends, default=0.0) * 109))


def stacked_bars(
    axes: Axes, rows: Sequence[tuple[str, Counter[str]]], colours: Mapping[str, str], longest: int = 0
) -> None:
    """Horizontal stacked bars, names at the left, totals at the end.

    Args:
        axes: Where to draw.
        rows: (name, sizes of the parts).
        colours: Of the parts, in the order in which they are stacked.
        longest: What the axis has room for, where that is more than the longest bar.
    """
    for index, (_, parts) in enumerate(rows):
        left = 0
        for name, colour in colours.items():
            axes.barh(index, parts[name], left=left, height=0.68, color=COLOURS[colour])
            left += parts[name]
        axes.annotate(count(left), (left, index), (4, 0), fontsize=8, color=COLOURS["muted"], **BESIDE)
    name_rows(axes, [name for name, _ in rows])
    axes.set_xlim(0, max(longest, *(parts.total() for _, parts in rows)) * 1.12)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def shares(axes: Axes, y: float, parts: Sequence[tuple[float, str]], height: float = 0.72) -> None:
    """One bar of parts in percent that add up to 100, each with its number where there is room: (percent, colour)."""
    left = 0.0
    for share, colour in parts:
        axes.barh(y, share, left=left, height=height, color=COLOURS[colour])
        if share >= LEAST_LABELLED:
            ink = COLOURS["paper"] if colour == "blue" else "#111111"
            axes.text(left + share / 2, y, f"{share:.0f}", ha="center", va="center", fontsize=8, color=ink)
        left += share


def dot(
    axes: Axes, y: float, value: float, low: float, high: float, colour: str, label: bool = False, filled: bool = True
) -> None:
    """A value, fractions of one, with its interval as a line; drawn in points."""
    paint = COLOURS[colour]
    known = low == low and high == high
    if known:
        axes.plot([low * 100, high * 100], [y, y], color=paint, linewidth=1.6, solid_capstyle="butt")
    face = paint if filled else COLOURS["paper"]
    axes.plot([value * 100], [y], "o", markersize=5.5, color=paint, markerfacecolor=face)
    if label:
        end = (high if known else value) * 100
        axes.annotate(points(value), (end, y), (5, 0), fontsize=8.5, color=COLOURS["ink"], **BESIDE)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """A name at the left of each row, the first row at the top."""
    axes.set_yticks(range(len(names)), list(names), fontsize=8.5, color=COLOURS["ink"])
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
