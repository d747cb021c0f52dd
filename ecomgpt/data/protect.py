"""What the evaluation keeps for itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass
class Protection:
    """What the evaluation keeps for itself.

    Attributes:
        suite: The suite's name.
        tasks: ``<dataset>.<task>`` names that must not be trained on.
        key: What ``texts`` depends on.
        texts: Gives (evaluation task, text) pairs that must not occur in training; called only to build.
    """

    suite: str
    tasks: Sequence[str] = ()
    key: str = ""
    texts: Callable[[], list[tuple[str, str]]] = list
