"""Micro-batches made ahead of time, off the main thread."""

import queue
import threading
from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader

AHEAD = 4
"""Micro-batches that wait ready; a few hundred kilobytes each."""


class AheadLoader(DataLoader):
    """A `DataLoader` whose items a thread makes ahead.

    A thread, not a process: tokens are mapped from disk, and NumPy and the tensors' copies leave the interpreter's
    lock, so a second process would only cost memory and a slower start.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        items: queue.Queue = queue.Queue(AHEAD)
        stopped = threading.Event()

        def offer(item: tuple[str, Any]) -> bool:
            while not stopped.is_set():
                try:
                    items.put(item, timeout=0.1)
                    return True
                except queue.Full:
                    continue
            return False

        def work() -> None:
            try:
                for item in super(AheadLoader, self).__iter__():
                    if not offer(("item", item)):
                        return
            except BaseException as error:  # it is raised again where the item is asked for
                offer(("error", error))
            else:
                offer(("end", None))

        thread = threading.Thread(target=work, name="micro-batches", daemon=True)
        thread.start()
        try:
            while True:
                kind, item = items.get()
                if kind == "error":
                    raise item
                if kind == "end":
                    return
                yield item
        finally:
            stopped.set()
            thread.join()
