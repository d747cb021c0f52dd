"""What a report is about: arms on tasks and on groups of tasks, and how each differs from the reference.

One run is a study of two arms, the model before training and the trained one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ecomgpt.eval.metrics.names import LOWER_IS_BETTER
from ecomgpt.eval.metrics_file import Change, Score, TaskResult
from ecomgpt.reporting.arms import Arm
from ecomgpt.reporting.gather import Gathered
from ecomgpt.reporting.load import ReportedRun

if TYPE_CHECKING:
    from ecomgpt.eval.statistics.counts import Counts


@dataclass(frozen=True)
class Comparison:
    """A task, or the mean over a group of tasks, by arm.

    Attributes:
        name: The task's or the group's.
        tasks: The tasks that it holds; one for a task.
        rows: How many questions.
        metric: The metric of record; empty for a mean over different ones.
        scores: By arm, the value with its interval.
        changes: By arm, against the reference.
        verdicts: By arm, shares of rows that it answered better than, as well as and worse than the reference.
        task: What the runs say of the task; None for a group.
        relation: How far the task lies from what every arm was trained on; ``mixed`` where the arms differ in that.
        baseline: The best answer that needs no model, by name, with its score; for a group the mean over its tasks.
        invalid: By arm, the share of answers without the form asked for; NaN where the runs did not measure it.
        ranked: By arm, the share of rows whose likeliest candidate is right; for a group over its tasks that have it.
        wordings: By arm, the lowest and the highest score over the ways in which the rows were asked.
        left_out: Tasks of the group that decide nothing, because every arm is at or below a baseline on them.
        without: By arm, the tasks without any one of which the arm's difference to the reference is no longer clear.
    """

    name: str
    tasks: tuple[str, ...]
    rows: int
    metric: str
    scores: dict[str, Score] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)
    verdicts: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    task: TaskResult | None = None
    relation: str = ""
    baseline: tuple[str, float] | None = None
    invalid: dict[str, float] = field(default_factory=dict)
    ranked: dict[str, float] = field(default_factory=dict)
    wordings: dict[str, tuple[float, float]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    without: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.task.title if self.task else self.name

    def standing(self, label: str) -> str:
        """``above``, ``below`` or ``level`` with the best baseline, by an arm's interval; empty where not known."""
        score = self.scores.get(label)
        if self.baseline is None or score is None or not score.known:
            return ""
        low, high = (score.low, score.high) if score.has_interval else (score.value, score.value)
        if self.metric in LOWER_IS_BETTER:
            return "above" if high < self.baseline[1] else "below" if low > self.baseline[1] else "level"
        return "above" if low > self.baseline[1] else "below" if high < self.baseline[1] else "level"

    def beats_baseline(self, label: str) -> bool:
        """Whether an arm's score is better than the best baseline's, clearly or not; True where none is known."""
        score = self.scores.get(label)
        if self.baseline is None or score is None:
            return True
        sign = -1 if self.metric in LOWER_IS_BETTER else 1
        return sign * score.value > sign * self.baseline[1]


@dataclass(frozen=True)
class Study:
    """All that a report shows.

    Attributes:
        gathered: The runs.
        arms: Trained models, or models as they are, in the order of the runs.
        backbones: The arms' models before training.
        reference: The arm that the others are held against, if any.
        tasks, groups: Comparisons; the first group is the one that the answer in one sentence is about.
        uncompared: Why a task could not be compared row by row, by task.
        counted: What the answers add to each task's metric of record, by task, arm and seed.
    """

    gathered: Gathered
    arms: list[Arm]
    backbones: list[Arm]
    reference: Arm | None
    tasks: list[Comparison]
    groups: list[Comparison]
    uncompared: dict[str, str]
    counted: Mapping[str, Mapping[str, Sequence[Counts]]] = field(default_factory=dict)

    @property
    def run(self) -> ReportedRun | None:
        """The run, where the study is about one."""
        return self.gathered.run

    @property
    def columns(self) -> list[Arm]:
        """The arms of the main table: the models before training first."""
        return [*self.backbones, *self.arms]

    @property
    def challengers(self) -> list[Arm]:
        """The arms that are held against the reference."""
        return [arm for arm in self.arms if arm is not self.reference]

    def standings(self, arm: Arm, group: Comparison) -> Counter[str]:
        """On how many tasks of a group the arm is above, level with and below the best baseline."""
        known = (task.standing(arm.label) for task in self.tasks if task.name in group.tasks)
        return Counter(filter(None, known))

    @property
    def answer(self) -> Comparison | None:
        """The group of tasks that the answer in one sentence is about."""
        return self.groups[0] if self.groups else None

    def verdicts(self, arm: Arm, group: Comparison) -> Counter[str]:
        """How many tasks of a group the arm wins, ties and loses against the reference."""
        known = (task.changes.get(arm.label) for task in self.tasks if task.name in group.tasks)
        return Counter(change.verdict for change in known if change is not None)
