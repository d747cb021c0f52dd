"""The energy that the machine draws while it trains, where the system lets it be read."""

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

POWERCAP = Path("/sys/class/powercap")
EVERY = 5.0
"""Seconds between two looks: RAPL's counters start over after minutes to hours, and a GPU's power is only shown for the moment."""


class Energy:
    """Joules from start to end; a context manager.

    CPU packages and their memory come from RAPL's counters (Linux, ``/sys/class/powercap``, often readable by root alone), GPUs from
    the power that ``nvidia-smi`` shows, summed over time. Both count the whole machine, whoever uses it.

    Args:
        root: Where the counters are.
        power: Gives the power of all GPUs in watts, or None.
    """

    def __init__(self, root: Path = POWERCAP, power: Callable[[], float | None] | None = None) -> None:
        self._counters = counters(root)
        self._power = power or gpu_watts
        self._joules = 0.0
        self._readable = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def joules(self) -> float | None:
        """What was drawn so far; None where nothing can be read."""
        return self._joules if self._readable else None

    def __enter__(self) -> "Energy":
        self._last = {
            counter: value for counter in self._counters if (value := _number(counter / "energy_uj")) is not None
        }
        self._watts, self._looked = self._power(), time.monotonic()
        self._readable = bool(self._last) or self._watts is not None
        if self._readable:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._readable:
            self._thread.join()

    def _watch(self) -> None:
        ended = False
        while not ended:
            ended = self._stop.wait(EVERY)
            self._look()

    def _look(self) -> None:
        for counter, before in self._last.items():
            now = _number(counter / "energy_uj")
            if now is not None:
                whole = _number(counter / "max_energy_range_uj") or 0
                self._joules += (now - before if now >= before else now + whole - before) / 1e6
                self._last[counter] = now
        watts, looked = self._power() if self._watts is not None else None, time.monotonic()
        if watts is not None and self._watts is not None:
            self._joules += (watts + self._watts) / 2 * (looked - self._looked)
        self._watts, self._looked = watts if watts is not None else self._watts, looked


def counters(root: Path) -> list[Path]:
    """RAPL's zones that don't overlap: packages, and memory where it is counted by itself."""
    return [
        zone for zone in sorted(root.glob("*-rapl:*")) if _name(zone).startswith("package") or _name(zone) == "dram"
    ]


def gpu_watts() -> float | None:
    """The power of all NVIDIA GPUs at this moment; None where there is none or it isn't shown."""
    command = ["nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10)
        return (
            sum(float(line) for line in found.stdout.split())
            if found.returncode == 0 and found.stdout.strip()
            else None
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _name(zone: Path) -> str:
    try:
        return (zone / "name").read_text().strip()
    except OSError:
        return ""
