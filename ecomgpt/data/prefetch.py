"""Micro-batches made ahead of time, off the main thread."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from torch.utils.data import DataLoader

AHEAD = 4
"""Micro-batches that wait ready; a few hundred kilobytes each."""
_END = object()


class AheadLoader(DataLoader):
    """A `DataLoader` whose items a thread makes ahead; an error is raised where its item is asked for.

    A thread, not a process: tokens are mapped from disk, and NumPy and the tensors' copies leave the interpreter's
    lock, so a second process would only cost memory and a slower start.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        items = super().__iter__()
        with ThreadPoolExecutor(1, "micro-batches") as thread:
            ahead = deque(thread.submit(next, items, _END) for _ in range(AHEAD))
            while (item := ahead.popleft().result()) is not _END:
                ahead.append(thread.submit(next, items, _END))
                yield item
