"""What ends a run from outside: a cluster's notice, and the end of the process that started it."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

PREEMPTION = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""Signals by which clusters announce that a job will be stopped; SLURM's is what ``--signal`` says."""


class Preempted(KeyboardInterrupt):
    """The job will be stopped. Unlike Ctrl-C, a second notice does not mean "at once"."""


@contextlib.contextmanager
def preemptible() -> Iterator[None]:
    """Treats preemption signals like Ctrl-C within the block: checkpoint, then stop; the next start continues.

    Outside the main thread, where Python installs no handlers, the block just runs.
    """
    numbers = PREEMPTION if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> None:
    raise Preempted


def when_parent_ends(parent: int, act: Callable[[], object]) -> None:
    """Calls a function, in a thread, once the process that started this one is gone, however it ended.

    Args:
        parent: Process id of the parent; the system gives an orphan another one.
        act: What to do then.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        act()

    threading.Thread(target=watch, daemon=True).start()
