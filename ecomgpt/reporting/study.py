"""What a report is about: arms on tasks and on groups of tasks, and how each differs from the reference.

One run is a study of two arms, the model before training and the trained one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ecomgpt.eval.metrics_file import Score, TaskResult
from ecomgpt.eval.statistics.paired import SIGNIFICANT
from ecomgpt.reporting.arms import Arm
from ecomgpt.reporting.gather import Gathered
from ecomgpt.reporting.load import ReportedRun


@dataclass(frozen=True)
class Change:
    """How much better an arm is than the reference; positive is better, whatever the metric.

    Attributes:
        value, low, high: The difference with its 95 % interval.
        p: Holm-corrected p-value: over the tasks for tasks, over the arms for groups of tasks.
    """

    value: float
    low: float
    high: float
    p: float

    @property
    def verdict(self) -> str:
        """``win``, ``loss``, or ``tie`` where the two can't be told apart."""
        return "tie" if not self.p < SIGNIFICANT or self.value == 0 else "win" if self.value > 0 else "loss"


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

    @property
    def title(self) -> str:
        return self.task.title if self.task else self.name


@dataclass(frozen=True)
class Study:
    """All that a report shows.

    Attributes:
        gathered: The runs.
        arms: Trained models, or models as they are, in the order of the runs.
        backbones: The arms' models before training.
        reference: The arm that the others are held against, if any.
        tasks, groups: Comparisons; the first group is the one that the answer in one sentence is about.
        samples: Bootstrap resamples.
        uncompared: Why a task could not be compared row by row, by task.
    """

    gathered: Gathered
    arms: list[Arm]
    backbones: list[Arm]
    reference: Arm | None
    tasks: list[Comparison]
    groups: list[Comparison]
    samples: int
    uncompared: dict[str, str]

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

    @property
    def answer(self) -> Comparison | None:
        """The group of tasks that the answer in one sentence is about."""
        return self.groups[0] if self.groups else None

    def verdicts(self, arm: Arm, group: Comparison) -> Counter[str]:
        """How many tasks of a group the arm wins, ties and loses against the reference."""
        known = (task.changes.get(arm.label) for task in self.tasks if task.name in group.tasks)
        return Counter(change.verdict for change in known if change is not None)
