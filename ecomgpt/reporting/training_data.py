"""What the mixture of a run left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ecomgpt.data.manifest_file import Manifest
from ecomgpt.reporting.text import count


@dataclass(frozen=True)
class DroppedRow:
    """A reason why rows did not become training examples.

    Attributes:
        examples: How many rows.
        tasks: In how many tasks.
        most: The task that lost most, with its number.
    """

    reason: str
    examples: int
    tasks: int
    most: str


def dropped_rows(manifest: Manifest | None) -> list[DroppedRow]:
    """Rows that the mixture left out, by reason, most first."""
    by_reason: dict[str, Counter[str]] = {}
    for task in manifest.tasks if manifest else []:
        for reason, n in task.dropped.items():
            by_reason.setdefault(reason, Counter())[task.title] += n
    rows = []
    for reason, tasks in by_reason.items():
        most = max(tasks, key=lambda task: (tasks[task], task))
        rows.append(DroppedRow(reason, tasks.total(), len(tasks), f"{most} ({count(tasks[most])})"))
    return sorted(rows, key=lambda row: (-row.examples, row.reason))
