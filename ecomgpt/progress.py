"""Progress with the time left: a live bar in a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
QUIET_SECONDS = 10.0
"""Where the output is no terminal, a line at most this often."""


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Passes items through and shows how far they are.

    Args:
        items: What is worked on.
        what: A few words for people.
        total: How many there are, where known.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as bar

        yield from bar(items, what, total, console=Console(stderr=True), transient=True)
        return
    started = shown = time.monotonic()
    for number, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - shown >= QUIET_SECONDS:
            shown = now
            left = f" of {total:,}, {(now - started) / number * (total - number):.0f} s left" if total else ""
            print(f"  {what}: {number:,}{left}", flush=True)
