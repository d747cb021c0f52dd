"""The figures of a report: each is drawn once, saved as PNG, and handed to the page as SVG in the page's own colours."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ecomgpt.report import charts
from ecomgpt.report.chain import chain
from ecomgpt.report.charts import COLOURS
from ecomgpt.report.fonts import families
from ecomgpt.report.load import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

T = TypeVar("T")
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "text.parse_math": False,  # a "$" in a title is a price
    "text.color": COLOURS["ink"],
    "axes.edgecolor": COLOURS["muted"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.facecolor": COLOURS["paper"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.facecolor": COLOURS["paper"],
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.8,
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "legend.frameon": False,
    "savefig.dpi": 200,
    "svg.fonttype": "path",
}


@dataclass(frozen=True)
class Figure:
    """A finished figure: ``svg`` is safe to put into a page, all text in it is drawn as outlines."""

    name: str
    title: str
    caption: str
    svg: str
    wide: bool = False


Chart = Callable[[T], "charts.Drawn | None"]
CHARTS: dict[str, Chart[Run]] = {
    "scores": charts.scores,
    "training": charts.training,
    "composition": charts.composition,
    "examples": charts.examples,
    "chain": chain,
}


def draw(subject: T, folder: Path, wanted: Mapping[str, Chart[T]]) -> dict[str, Figure]:
    """Draw what there are data for into ``folder`` as `<name>.png` and `<name>.svg`; figures by name, in the order of ``wanted``."""
    import matplotlib

    found = {}
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({**STYLE, "font.family": list(families())}):
        for name, chart in wanted.items():
            drawn = chart(subject)
            if drawn is None:
                # A figure of an earlier report must not stand beside numbers that it does not show.
                (folder / f"{name}.png").unlink(missing_ok=True)
                (folder / f"{name}.svg").unlink(missing_ok=True)
                continue
            drawn.canvas.savefig(folder / f"{name}.png", metadata={"Software": None})
            svg = _svg(drawn.canvas, name)
            (folder / f"{name}.svg").write_text(svg, "utf-8")
            found[name] = Figure(name, drawn.title, drawn.caption, _inlined(svg, name, drawn.title), drawn.wide)
    return found


def _svg(canvas: Canvas, name: str) -> str:
    """The figure as SVG, the same bytes every time."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return buffer.getvalue()


def _inlined(svg: str, name: str, title: str) -> str:
    """The figure as an element of a page, that takes its colours from there."""
    svg = re.sub(
        r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", svg[svg.index("<svg") :], flags=re.DOTALL
    )
    for colour, value in COLOURS.items():
        svg = svg.replace(value, f"var(--{colour})")
    # Figures share one page, so what each calls figure_1, patch_2 or a glyph must not meet.
    svg = re.sub(r'(\bid="|"#|url\(#)', rf"\g<1>{name}-", svg)
    # The view box alone decides the shape; the page decides the size.
    tag, _, rest = svg.partition(">")
    tag = re.sub(r' (?:width|height)="[^"]*"', "", tag)
    return f'{tag} role="img" aria-label="{title}">{rest}'.strip()
