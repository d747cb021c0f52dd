"""Progress with the time left: a live bar in a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
QUIET_SECONDS = 10.0
"""Where the output is no terminal, one line at most this often."""


def track(
    items: Iterable[T],
    what: str,
    total: int | None = None,
    note: Callable[[], str] | None = None,
    size: Callable[[T], int] = lambda item: 1,
) -> Iterator[T]:
    """Passes items through and shows how far they are.

    Args:
        items: What is worked on.
        what: A few words for people.
        total: How many there are, where known.
        note: A few words on the state, such as what was spent so far; asked for whenever something is shown.
        size: What an item counts, where it stands for several.
    """
    if sys.stderr.isatty():
        yield from _bar(items, what, total, note or (lambda: ""), size)
        return
    said = (lambda: f"; {note()}") if note else (lambda: "")
    started = shown = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += size(item)
        now = time.monotonic()
        if now - shown >= QUIET_SECONDS:
            shown = now
            left = (
                f" of {total:,}, {max(0.0, (now - started) / done * (total - done)):.0f} s left"
                if total and done
                else ""
            )
            print(f"  {what}: {done:,}{left}{said()}", flush=True)


def _bar(
    items: Iterable[T], what: str, total: int | None, note: Callable[[], str], size: Callable[[T], int]
) -> Iterator[T]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress, TextColumn

    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[note]}", markup=False))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(escape(what), total=total, note="")
        for item in items:
            yield item
            progress.update(bar, advance=size(item), note=note())
