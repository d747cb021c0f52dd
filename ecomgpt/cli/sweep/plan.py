"""What a sweep consists of: its directory, its jobs and how they are called."""

import itertools
import re
import shlex
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from ecomgpt.common.errors import UserError
from ecomgpt.common.hashing import digest
from ecomgpt.config import command
from ecomgpt.config.compose import merged, searchpath
from ecomgpt.config.files import STUDIES
from ecomgpt.config.schema import KEYS
from ecomgpt.job import IN_PLACE

LONGEST = 120
"""Characters of a job's directory name, before a hash stands for the rest."""
SEPARATE = re.compile(r"[^A-Za-z0-9._-]+")
OURS = tuple(name for name, key in KEYS.items() if key.says("of_sweep"))
"""Keys of a sweep as a whole, which its jobs do not get from the command line."""


@dataclass(frozen=True)
class Sweep:
    """A sweep as the command line and its study give it.

    Attributes:
        folder: The sweep's directory.
        overrides: The command line's arguments.
        own: Those that Hydra gets.
        shared: The keys that are the same for every job and need not stand in their names.
        jobs: The overrides of every job in order; None where the sweeper decides as it goes, as Optuna does.
        sweeper: The sweeper's class.
    """

    folder: Path
    overrides: list[str]
    own: list[str]
    shared: list[str]
    jobs: list[list[str]] | None
    sweeper: str

    def name(self, job: list[str]) -> str:
        """The directory name of a job: what it does not share with the others."""
        return directory_name(job, self.shared)

    def holds(self, name: str) -> bool:
        """Whether a job of this name is one of the command's; all are where the sweeper decides."""
        return self.jobs is None or name in self.names

    @property
    def names(self) -> list[str]:
        """Directory names of all jobs that are known in advance."""
        return [self.name(job) for job in self.jobs or []]

    @property
    def command(self) -> str:
        """What a person types to run or continue it."""
        given = [item for item in self.overrides if _key(item) not in ("preview", "measure")]
        return shlex.join(["python", "-m", "ecomgpt", "--multirun", *given])


def plan(overrides: list[str], roots: list[Path]) -> Sweep:
    """Reads a sweep off its command line.

    Args:
        overrides: The arguments that are not flags.
        roots: From `ecomgpt.config.files.search_roots`.

    Raises:
        UserError: With everything that is wrong.
    """
    found = command.problems([item for item in overrides if _key(item) != "preview"], roots, multirun=True)
    if found:
        raise UserError(*found)
    given = {_key(item): item.split("=", 1)[1].strip("'\"") for item in overrides if "=" in item}
    own = command.opened([item for item in overrides if _key(item) not in OURS])
    parsed = OverridesParser.create().parse_overrides(own)
    hydra = _hydra_settings(
        [text for text, item in zip(own, parsed, strict=True) if not item.is_sweep_override()], roots
    )
    params = [f"{key}={value}" for key, value in ((hydra.sweeper.get("params") or {}).items())]
    # The study's parameters under the command line's, each key once: as Hydra's sweeper takes them.
    both = [*OverridesParser.create().parse_overrides(command.opened(params)), *parsed]
    everything = list({item.get_key_element(): item for item in both}.values())
    jobs = _product(everything) if hydra.sweeper["_target_"].endswith(".BasicSweeper") else None
    # The study names the sweep as well as its jobs would; `name=` overrules.
    study = given.get(f"+{STUDIES}") or given.get(STUDIES)
    shared = [
        item.get_key_element()
        for item in everything
        if not item.is_sweep_override() and not item.key_or_group.startswith("hydra")
    ]
    name = given.get("name") or (study if study and "," not in study else directory_name(overrides))
    if "," in name or not SEPARATE.sub("", name):
        raise UserError(f"name: '{name}' can't name a sweep's directory; give one name")
    folder = Path(given.get("paths.output") or "multirun").expanduser().absolute() / name
    sweep = Sweep(folder, list(overrides), own, shared, jobs, hydra.sweeper["_target_"])
    _refuse(sweep, hydra)
    return sweep


def _refuse(sweep: Sweep, hydra: DictConfig) -> None:
    """Jobs that make no run, jobs that would share a directory, and a search for the worst model."""
    asked = {f"job={hydra.runtime.choices.job}", *sweep.own, *itertools.chain(*(sweep.jobs or []))}
    alone = [f"job={name}" for name in IN_PLACE if f"job={name}" in asked]
    if alone:
        raise UserError(f"command line: {alone[0]} makes no run, so there is nothing to sweep; leave --multirun out")
    twice = [name for name, number in Counter(sweep.names).items() if number > 1]
    if twice:
        raise UserError(
            *(
                f"command line: several jobs would lie in '{sweep.folder / name}': a value is listed twice, "
                "or the jobs differ in a path alone"
                for name in twice
            )
        )
    if str(hydra.sweeper.get("direction", "")).rpartition(".")[2] == "minimize":
        raise UserError(
            "hydra.sweeper.direction=minimize: a job returns its mean score, of which more is better; "
            "give hydra.sweeper.direction=maximize, or take hydra/sweeper=search"
        )


def asks_preview(overrides: list[str]) -> bool:
    """Whether the sweep is to be shown and not run.

    Raises:
        UserError: If that can't be told: what was meant to show a sweep must not start it.
    """
    given = [item.split("=", 1)[1].strip("'\"").lower() for item in overrides if item.startswith("preview=")]
    if any(value not in ("true", "1", "false", "0") for value in given):
        raise UserError(
            f"preview={given[-1]}: with --multirun, preview=true shows the jobs and preview=false runs them"
        )
    return bool(given) and given[-1] in ("true", "1")


def directory_name(overrides: list[str], shared: Collection[str] = ()) -> str:
    """A directory name from a job's overrides, without the keys that all jobs share.

    It holds no ``=``, which Hydra's grammar does not take in a path.
    """
    hidden = (*(f"{key}=" for key in OURS), "paths.", "overwrite=", "hydra")
    wanted = [item for item in overrides if _key(item) not in shared and not item.startswith(hidden)]
    name = SEPARATE.sub("-", "_".join(sorted(wanted))).strip("-") or "default"
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{digest(name, 4)}"


def hydra_arguments(sweep: Sweep, roots: list[Path]) -> list[str]:
    """The command line that Hydra gets."""
    return [
        "ecomgpt",
        "--multirun",
        *sweep.own,
        *searchpath(roots),
        f"hydra.sweep.dir='{sweep.folder}'",
        "hydra.sweep.subdir=.",
        "hydra.output_subdir=null",
    ]


def _hydra_settings(overrides: list[str], roots: list[Path]) -> DictConfig:
    """Hydra's own part of the composed configuration: a study may bring a sweeper with its parameters."""
    # Names that do not reach Hydra's own part would only get in its way here.
    wanted = [item for item in overrides if item.lstrip("+").startswith(("hydra", STUDIES))]
    return merged(wanted, roots)[1]


def _product(items: list[Override]) -> list[list[str]]:
    """Every combination of the listed values, in the order in which Hydra's own sweeper runs them."""
    choices: list[list[str]] = []
    for item in items:
        if item.key_or_group.startswith("hydra"):
            continue
        key = item.get_key_element()
        if not item.is_sweep_override():
            choices.append([f"{key}={item.get_value_element_as_str()}"])
        elif item.is_discrete_sweep():
            choices.append([f"{key}={value}" for value in item.sweep_string_iterator()])
        else:
            raise UserError(
                f"command line: {key} is drawn from an interval; list the values, or choose a sweeper that draws them"
            )
    return [list(job) for job in itertools.product(*choices)]


def _key(item: str) -> str:
    return item.split("=", 1)[0]
