"""Arms: runs that differ in nothing but their seed; how they are called, and which one the others are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecomgpt.common.errors import UserError, suggestion
from ecomgpt.config.flat import differing, distinguishing_keys
from ecomgpt.eval.metrics_file import TaskResult
from ecomgpt.reporting.gather import Member
from ecomgpt.reporting.load import sequence

UNTRAINED, TRAINED = "untrained", "trained"
DATA_KINDS = "data.kinds"


@dataclass(frozen=True)
class Arm:
    """One configuration with all its seeds, or the models of one before training.

    Attributes:
        label: What tells it from the other arms.
        members: Its runs.
        untrained: Whether the runs' models before training are meant.
        values: The configuration keys that tell arms apart, with this arm's values.
    """

    label: str
    members: tuple[Member, ...]
    untrained: bool = False
    values: tuple[tuple[str, Any], ...] = ()

    @property
    def seeds(self) -> tuple[str, ...]:
        """One name per run; unique within the arm."""
        return tuple(one.seed for one in self.members)

    @property
    def config(self) -> dict[str, Any]:
        return self.members[0].config

    def results(self, task: str) -> list[TaskResult]:
        """What its runs hold of a task."""
        held = [one.run.untrained if self.untrained else one.run.tasks for one in self.members]
        return [tasks[task] for tasks in held if task in tasks]


def arms_of(members: Sequence[Member], each: bool = False) -> list[Arm]:
    """Groups runs by their configuration, in the order in which each first occurs.

    Args:
        members: The runs.
        each: Makes an arm of every run.
    """
    keys = differing([one.config for one in members])
    told = distinguishing_keys([one.config for one in members], keys)
    groups: dict[tuple[str, ...], list[Member]] = {}
    for place, one in enumerate(members):
        key = (str(place),) if each else tuple(repr(one.config.get(name)) for name in keys)
        groups.setdefault(key, []).append(one)
    arms: list[Arm] = []
    for group in groups.values():
        values = tuple((key, group[0].config.get(key)) for key in told)
        label = ", ".join(worded(key, value) for key, value in values)
        # The same seed twice is no second seed: such runs differ in something that no configuration tells.
        alone = each or len({one.seed for one in group}) < len(group)
        parts = [[one] for one in group] if alone else [group]
        arms += [Arm(part[0].name if alone else label or _plain(part[0]), tuple(part), values=values) for part in parts]
    return _unique(arms)


def untrained_arms(arms: Sequence[Arm]) -> list[Arm]:
    """The models before training: one arm per backbone, whatever it was trained on, with one run per seed."""
    known = [arm for arm in arms if any(one.run.untrained for one in arm.members)]
    backbones: dict[tuple[Any, ...], list[Arm]] = {}
    for arm in known:
        backbones.setdefault(
            tuple((key, repr(value)) for key, value in arm.config.items() if key.startswith("model.")), []
        ).append(arm)
    found = []
    for group in backbones.values():
        by_seed = {one.seed: one for arm in reversed(group) for one in arm.members if one.run.untrained}
        values = [item for item in group[0].values if item[0].startswith("model.")]
        label = ", ".join([UNTRAINED, *(worded(*item) for item in values)]) if len(backbones) > 1 else UNTRAINED
        found.append(Arm(label, tuple(by_seed.values()), untrained=True, values=tuple(values)))
    return _unique(found)


def choose_reference(arms: Sequence[Arm], backbones: Sequence[Arm], wanted: str | None) -> Arm | None:
    """The arm that the others are held against.

    ``wanted`` names it: its label, one of its runs, or ``untrained``. Without it that is the first arm without atomic
    tasks, where others have some; else the first arm; for a single arm its own model before training, where that was
    evaluated.

    Raises:
        UserError: If ``wanted`` names none.
    """
    if wanted is not None:
        name = Path(wanted).name
        for arm in (*arms, *backbones):
            if wanted == arm.label or (not arm.untrained and name in {one.run.name for one in arm.members}):
                return arm
        near = suggestion(wanted, [arm.label for arm in (*arms, *backbones)])
        raise UserError(f"reference: no arm or run is called '{wanted}'{near}")
    if len(arms) == 1:
        return backbones[0] if backbones else None
    atomic = [arm for arm in arms if "atomic" in sequence(arm.config.get(DATA_KINDS))]
    plain = [arm for arm in arms if arm.config.get(DATA_KINDS) and arm not in atomic]
    return next(iter(plain if atomic and plain else arms), None)


def worded(key: str, value: Any) -> str:
    """A key with its value: an option's name alone, other keys by their last part; folders lose their parents."""
    text = "none" if value is None else str(value)
    if key.endswith("path") and value:
        text = Path(text).name or text
    if isinstance(value, list):
        text = "+".join(map(str, value))
    return text if key.endswith((".name", ".path")) else f"{key.rsplit('.', 1)[-1].replace('_', ' ')} {text}"


def _plain(member: Member) -> str:
    """A single arm's name."""
    data, model = member.config.get("data.name"), member.config.get("model.name")
    return str((data if member.run.was_trained else model) or member.name)


def _unique(arms: Sequence[Arm]) -> list[Arm]:
    """Labels that occur twice get their first run's name."""
    labels = [arm.label for arm in arms]
    return [
        arm
        if labels.count(arm.label) == 1
        else Arm(f"{arm.label} ({arm.members[0].name})", arm.members, arm.untrained, arm.values)
        for arm in arms
    ]
