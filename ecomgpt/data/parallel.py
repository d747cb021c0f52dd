"""Work on several cores whose outcome does not show it: results come in the order of the items."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import Any, TypeVar

from ecomgpt.runtime.signals import when_parent_ends

T = TypeVar("T")
R = TypeVar("R")

MOST = 8
"""Processes that are started unless more are asked for; each takes some 200 MB."""
AHEAD = 2
"""Items that wait ready, so that no process idles and memory stays flat."""

_function: Callable[[Any], Any] | None = None


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ordered(make: Callable[[], Callable[[T], R]], items: Iterable[T], processes: int | None = None) -> Iterator[R]:
    """Applies a function to items; where there are several, in several processes.

    Args:
        make: Gives the function; called once in each process, so it must be picklable, and what it loads is loaded
            once.
        items: A stream; only a few of its items are held at a time.
        processes: How many; None for one per core, at most `MOST`. The results are the same for any number.
    """
    stream = iter(items)
    first = list(islice(stream, 2))
    processes = processes or min(cores(), MOST)
    if processes == 1 or len(first) < 2:
        function = make()
        for item in chain(first, stream):
            yield function(item)
        return
    # Fresh processes: a fork would copy threads' locks, and count this process's memory once more.
    context = multiprocessing.get_context("spawn")
    pending: deque[Future[R]] = deque()
    with ProcessPoolExecutor(processes, context, _start, (make, os.getpid())) as pool:
        try:
            for item in chain(first, stream):
                pending.append(pool.submit(_apply, item))
                if len(pending) >= processes + AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a process that prepares the data was killed, perhaps for lack of memory; try data.processes=1"
            ) from error
        finally:
            for future in pending:
                future.cancel()


def _start(make: Callable[[], Callable[[Any], Any]], parent: int) -> None:
    global _function
    # A Ctrl-C reaches every process of the terminal; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    when_parent_ends(parent, lambda: os._exit(1))
    _function = make()


def _apply(item: Any) -> Any:
    assert _function is not None
    return _function(item)
