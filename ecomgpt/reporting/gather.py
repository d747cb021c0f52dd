"""Which runs a report is about: run directories, and the jobs of sweeps, with those that have no result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ecomgpt.common.errors import UserError
from ecomgpt.config.flat import flat
from ecomgpt.reporting.load import ReportedRun, load, read_object

DATA_OF_TRAINING = ("data", "sources", "tuning", "strategy", "trainer", "seed")
"""Parts of a configuration that job=evaluate does not decide: they are those of the run whose model it asks."""


@dataclass(frozen=True)
class Member:
    """A run of the report.

    Attributes:
        name: Its name among the others.
        run: What the run directory holds.
        config: Its configuration on one level, with the training's part where it evaluates another run's model.
        seed: Of its training.
    """

    name: str
    run: ReportedRun
    config: dict[str, Any]
    seed: str


@dataclass(frozen=True)
class Absent:
    """A job without a result, and why."""

    name: str
    state: str
    cause: str


@dataclass(frozen=True)
class Gathered:
    """What was found.

    Attributes:
        title: Of the report.
        members: In the order of the command or of the sweep.
        absent: Jobs of sweeps without a result.
        commands: What makes the whole again, one command a line.
    """

    title: str
    members: list[Member]
    absent: list[Absent] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    @property
    def run(self) -> ReportedRun | None:
        """The run, where the report is about one alone."""
        return self.members[0].run if len(self.members) == 1 and not self.absent else None


def gather(entries: Sequence[str | Path], title: str = "") -> Gathered:
    """Reads run directories and sweep directories.

    Raises:
        UserError: With everything in the list that is neither, or is broken.
    """
    folders = list(dict.fromkeys(Path(entry).expanduser().resolve() for entry in entries))
    runs: list[Path] = []
    absent: list[Absent] = []
    commands: list[str] = []
    problems: list[str] = []
    for folder in folders:
        if (folder / "sweep.json").is_file():
            found, without, command = _sweep(folder, problems)
            runs += found
            absent += without
            commands += [command] if command else []
        elif (folder / "metrics.json").is_file():
            runs.append(folder)
        elif (folder / "status.json").is_file():
            state = str(read_object(folder / "status.json", problems).get("state") or "unknown")
            absent.append(Absent(folder.name, state, "it holds no metrics.json; job=evaluate makes one"))
        else:
            problems.append(f"runs: '{folder}' is neither a run directory (metrics.json) nor a sweep's (sweep.json)")
    runs = list(dict.fromkeys(runs))
    members = _members(runs, problems)
    if problems:
        raise UserError(*problems)
    in_sweeps = {folder for folder in folders if (folder / "sweep.json").is_file()}
    commands += [
        str(one.run.environment.get("command") or "") for one in members if one.run.path.parent not in in_sweeps
    ]
    name = title or (folders[0].name if len(folders) == 1 else " + ".join(folder.name for folder in folders))
    return Gathered(name, members, absent, list(dict.fromkeys(filter(None, commands))))


def single(folder: Path) -> Gathered:
    """Reads one run directory.

    Raises:
        UserError: If it is none, or is broken.
    """
    member = _member(folder.resolve(), folder.resolve().name)
    command = str(member.run.environment.get("command") or "")
    return Gathered(member.name, [member], commands=[command] if command else [])


def _sweep(folder: Path, problems: list[str]) -> tuple[list[Path], list[Absent], str]:
    content = read_object(folder / "sweep.json", problems)
    runs, absent = [], []
    jobs = content.get("jobs") or []
    if not (isinstance(jobs, list) and all(isinstance(job, dict) for job in jobs)):
        problems.append(f"{folder / 'sweep.json'}: 'jobs' is no list of jobs; the sweep's own command writes it again")
        jobs = []
    for job in jobs:
        # A name is data: it must not lead out of the folder.
        name = Path(str(job.get("name") or "")).name
        state = str(job.get("state") or "unknown")
        if state == "done" and (folder / name / "metrics.json").is_file():
            runs.append(folder / name)
        else:
            cause = str(job.get("error") or ("it was not evaluated" if state == "done" else ""))
            absent.append(Absent(name, state, cause))
    return runs, absent, str(content.get("command") or "")


def _members(folders: Sequence[Path], problems: list[str]) -> list[Member]:
    names = [folder.name for folder in folders]
    members = []
    for folder in folders:
        name = folder.name if names.count(folder.name) == 1 else f"{folder.parent.name}/{folder.name}"
        try:
            members.append(_member(folder, name))
        except UserError as error:
            problems += error.problems
    return members


def _member(folder: Path, name: str) -> Member:
    run, config = load(folder), configuration(folder)
    return Member(
        name, run, flat({key: value for key, value in config.items() if key != "seed"}), str(config.get("seed", ""))
    )


def configuration(folder: Path) -> dict[str, Any]:
    """A run's ``config.yaml``; where the run evaluates another run's model, with the training's part from that run.

    Raises:
        UserError: If it is no YAML mapping.
    """
    own = _yaml(folder / "config.yaml")
    trained = Path(str(own["run"])).expanduser() / "config.yaml" if own.get("run") else None
    if trained is None or not trained.is_file():
        return own
    its = _yaml(trained)
    return own | {key: its[key] for key in DATA_OF_TRAINING if key in its}


def _yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text("utf-8", errors="replace"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise UserError(f"{path}:{mark.line + 1 if mark else 1}: not valid YAML; write the file again") from None
    return content if isinstance(content, dict) else {}
