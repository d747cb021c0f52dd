"""The signals by which a person or a cluster stops a run."""

import signal

PREEMPTION = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""Signals by which clusters announce that a job will be stopped; SLURM's is what ``--signal`` says."""


class Preempted(KeyboardInterrupt):
    """The job will be stopped. Unlike Ctrl-C, a second notice does not mean "at once"."""


def install_signal_handlers() -> None:
    """Treats preemption signals like Ctrl-C: checkpoint, then stop; the next start continues."""
    for number in PREEMPTION:
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: object) -> None:
    raise Preempted
