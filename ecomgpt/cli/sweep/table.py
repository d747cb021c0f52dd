"""The live table of a sweep: every job's state, step, loss and time left, read from the jobs' own ``status.json``."""

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from ecomgpt.cli.sweep.plan import Sweep
from ecomgpt.cli.sweep.results import Job, jobs
from ecomgpt.common.units import duration
from ecomgpt.reporting.text import visible

if TYPE_CHECKING:
    from rich.table import Table

EVERY = 1.0
"""Seconds between two looks."""
STYLES = {"done": "green", "failed": "red", "interrupted": "yellow", "running": "bold"}


class Watch:
    """Shows the jobs while they run; a context manager.

    A terminal gets one table that is kept up to date, any other output one line per change of state or stage.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self._stop = threading.Event()
        show = self._draw if sys.stdout.isatty() else self._tell
        self._thread = threading.Thread(target=show, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _draw(self) -> None:
        from rich.console import Console
        from rich.live import Live

        with Live(table(jobs(self.sweep)), console=Console(), refresh_per_second=1, transient=True) as live:
            while not self._stop.wait(EVERY):
                live.update(table(jobs(self.sweep)))

    def _tell(self) -> None:
        told = {job.name: key(job) for job in jobs(self.sweep)}
        while True:
            last = self._stop.wait(EVERY)
            for job in jobs(self.sweep):
                now = key(job)
                if now != told.get(job.name):
                    told[job.name] = now
                    print(f"  {job.name}: {' '.join(part for part in (*now, facts(job)) if part)}", flush=True)
            if last:
                return


def key(job: Job) -> tuple[str, str]:
    """What a new line is printed for when it changes: the state, and the stage of a running job."""
    return job.state, str(job.status.get("stage") or "") if job.state == "running" else ""


def table(everything: list[Job]) -> "Table":
    """All jobs as a rich table."""
    from rich.table import Table
    from rich.text import Text

    view = Table(title_justify="left", title=f"{len(everything)} jobs")
    for column in ("job", "state", "stage", "progress", "time"):
        view.add_column(column, overflow="fold")
    for job in everything:
        state = Text(job.state, style=STYLES.get(job.state, "dim"))
        stage = str(job.status.get("stage") or "") if job.state == "running" else ""
        view.add_row(Text(job.name), state, stage, Text(facts(job)), elapsed(job))
    return view


def facts(job: Job) -> str:
    """Step, loss and time left of a running job, or why it failed."""
    if job.state == "failed":
        return visible(str(job.status.get("error") or "").split("\n")[0])
    beat = job.status.get("heartbeat") or {}
    if job.state != "running" or job.status.get("stage") != "fit" or not beat:
        return ""
    parts = [
        f"step {beat['step']}/{beat['steps']}" if beat.get("steps") else "",
        f"loss {beat['loss']:.3f}" if beat.get("loss") is not None else "",
        f"{duration(beat['seconds_left'])} left" if beat.get("seconds_left") is not None else "",
    ]
    return "  ".join(part for part in parts if part)


def elapsed(job: Job) -> str:
    """Minutes and seconds since the job's first start, up to its end."""
    return "" if job.seconds is None else f"{round(job.seconds) // 60}:{round(job.seconds) % 60:02}"
