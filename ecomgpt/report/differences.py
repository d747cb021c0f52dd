"""Two runs' scores side by side, as a terminal shows them."""

from __future__ import annotations

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ecomgpt.eval.statistics.paired import Difference
from ecomgpt.report.text import metric_name, points, probability, visible

CAPTION = "Points; 95 % intervals of the difference; p-values by Holm's method over the tasks."


def differences_table(
    found: Mapping[str, Difference], run: str, other: str, titles: Mapping[str, str] | None = None
) -> Table:
    """What `ecomgpt.eval.statistics.paired.between` found; differences that are significant at 5 % are bold.

    Args:
        found: By task.
        run: The name of the run whose surplus the differences are.
        other: The name of the run that it is compared with.
        titles: What tasks are called, for people.
    """
    table = Table(caption=CAPTION, caption_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("task", "metric"):
        table.add_column(name, overflow="fold", min_width=9)
    for name in (run, other):
        table.add_column(Text(visible(name)), justify="right", overflow="fold")
    for name in ("diff.", "95 % interval", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for task, one in found.items():
        change = (
            points(one.value, True),
            f"[{points(one.low, True)}, {points(one.high, True)}]",
            probability(one.p_holm),
        )
        cells = (
            (titles or {}).get(task, task),
            metric_name(one.metric),
            points(one.second),
            points(one.first),
            *change,
        )
        table.add_row(*(Text(visible(cell)) for cell in cells), style="bold" if one.p_holm < 0.05 else "")
    return table
