"""What the verdicts add up to: win, tie and loss by task, and the surplus of wins with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ecomgpt.compare.pairs import Pair
from ecomgpt.compare.verdicts import VERDICTS
from ecomgpt.eval.metrics.base import ratio
from ecomgpt.eval.metrics_file import rounded
from ecomgpt.eval.statistics.counts import Counts
from ecomgpt.eval.statistics.uncertainty import difference


@dataclass(frozen=True)
class Tally:
    """Verdicts on one task, or on all.

    Attributes:
        title: For people.
        win: Rows on which ``run_a`` was better.
        tie: Rows without a winner.
        loss: Rows on which ``run_b`` was better.
        same: Of the ties, how many because the answers are equal; nobody was asked about them.
        split: Of the ties, how many because most annotators agree on none of the three.
        surplus: ``(win - loss) / n``.
        low: Lower end of its 95 % interval over rows (`ecomgpt.eval.statistics.uncertainty`).
        high: Upper end.
        p: Exact two-sided p-value of as many wins as losses.
    """

    title: str
    win: int
    tie: int
    loss: int
    same: int
    split: int
    surplus: float
    low: float
    high: float
    p: float

    @property
    def n(self) -> int:
        return self.win + self.tie + self.loss

    def to_json(self) -> dict[str, Any]:
        """As files hold it."""
        counts = {name: getattr(self, name) for name in ("title", "n", "win", "tie", "loss", "same", "split")}
        return counts | {"surplus": rounded(value=self.surplus, low=self.low, high=self.high, p=self.p)}


@dataclass(frozen=True)
class Tallies:
    """All tasks, and all rows together."""

    tasks: dict[str, Tally]
    whole: Tally | None
    verdicts: dict[str, str] = field(default_factory=dict)
    """One per row, equal answers included."""


def tallies(pairs: Sequence[Pair], given: Mapping[str, Mapping[str, str]]) -> Tallies:
    """Combines the verdicts of several annotators by majority; a row without a majority is a tie.

    Rows come in a random order, and equal answers count as ties only as far as the annotators have come; counting all
    of them at once would fill an evaluation that has only begun with ties.

    Args:
        pairs: In the order in which they are shown.
        given: Annotator to verdicts by row.
    """
    votes = {pair.key: [one[pair.key] for one in given.values() if pair.key in one] for pair in pairs}
    asked = [index for index, pair in enumerate(pairs) if not pair.same]
    judged = [index for index in asked if votes[pairs[index].key]]
    reached = len(pairs) if judged == asked else judged[-1] + 1 if judged else 0
    decided: dict[str, tuple[str, bool]] = {}
    by_task: dict[str, list[Pair]] = {}
    for pair in pairs[:reached]:
        if pair.same or votes[pair.key]:
            decided[pair.key] = ("tie", False) if pair.same else majority(votes[pair.key])
            by_task.setdefault(pair.task, []).append(pair)
    tasks = {task: _tally(some[0].title, some, decided) for task, some in sorted(by_task.items())}
    every = [pair for some in by_task.values() for pair in some]
    whole = _tally("all rows", every, decided) if every else None
    return Tallies(tasks, whole, {key: verdict for key, (verdict, _) in decided.items()})


def majority(votes: Iterable[str]) -> tuple[str, bool]:
    """What more than half say, else a tie; and whether it is one for want of a majority."""
    counts = Counter(votes)
    best, number = counts.most_common(1)[0]
    return (best, False) if number * 2 > counts.total() else ("tie", True)


def _tally(title: str, pairs: Sequence[Pair], decided: Mapping[str, tuple[str, bool]]) -> Tally:
    table = np.eye(len(VERDICTS))[[VERDICTS.index(decided[pair.key][0]) for pair in pairs]]
    win, tie, loss = (int(number) for number in table.sum(0))
    wins, losses = (_share(pairs, table[:, column]) for column in (0, 2))
    found = difference([[wins]], [[losses]])
    same, split = sum(pair.same for pair in pairs), sum(decided[pair.key][1] for pair in pairs)
    return Tally(title, win, tie, loss, same, split, found.value, found.low, found.high, found.p)


def _share(pairs: Sequence[Pair], of_row: np.ndarray) -> Counts:
    sums = np.column_stack([of_row, np.ones(len(pairs))])
    return Counts(tuple(pair.key for pair in pairs), sums, lambda sums: ratio(sums[..., 0], sums[..., 1]), len(pairs))
