"""What a sweep consists of: its directory, its jobs and how they are called."""

import re
import shlex
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ecomgpt.config import command
from ecomgpt.config.compose import register, searchpath
from ecomgpt.config.files import STUDIES
from ecomgpt.config.roots import shipped
from ecomgpt.errors import UserError

BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
LONGEST = 120
SEPARATE = re.compile(r"[^A-Za-z0-9._-]+")
OURS = ("name", "paths.output", "preview")
"""Keys of a sweep as a whole, which its jobs do not get from the command line."""


@dataclass(frozen=True)
class Sweep:
    """A sweep as the command line and its study give it.

    Attributes:
        folder: The sweep's directory.
        overrides: The command line's arguments.
        own: Those that Hydra gets.
        shared: Those that are the same for every job and need not stand in their names.
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
        return named([item for item in job if item not in self.shared])

    @property
    def names(self) -> list[str]:
        """Directory names of all jobs that are known in advance."""
        return [self.name(job) for job in self.jobs or []]

    @property
    def command(self) -> str:
        """What a person types to run or continue it."""
        given = [item for item in self.overrides if _key(item) != "preview"]
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
    hydra = _hydra_settings([text for text, item in zip(own, parsed, strict=True) if not item.is_sweep_override()], roots)
    params = [f"{key}={value}" for key, value in ((hydra.sweeper.get("params") or {}).items())]
    everything = _merged(OverridesParser.create().parse_overrides(command.opened(params)), parsed)
    jobs = _product(everything) if hydra.sweeper["_target_"] == BASIC else None
    # The study names the sweep as well as its jobs would; `name=` overrules.
    study = given.get(f"+{STUDIES}") or given.get(STUDIES)
    shared = [_text(item) for item in everything if not item.is_sweep_override() and not item.key_or_group.startswith("hydra")]
    name = given.get("name") or (study if study and "," not in study else named(overrides))
    if "," in name or not SEPARATE.sub("", name):
        raise UserError(f"name: '{name}' can't name a sweep's directory; give one name")
    folder = Path(given.get("paths.output") or "multirun").expanduser().absolute() / name
    return Sweep(folder, list(overrides), own, shared, jobs, hydra.sweeper["_target_"])


def named(overrides: list[str]) -> str:
    """A directory name from overrides, without ``=``, which Hydra's grammar does not take in a path."""
    wanted = [item for item in overrides if not item.startswith((*(f"{key}=" for key in OURS), "paths.", "overwrite=", "hydra"))]
    name = SEPARATE.sub("-", "_".join(sorted(wanted))).strip("-") or "default"
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{blake2b(name.encode(), digest_size=4).hexdigest()}"


def hydra_arguments(sweep: Sweep, roots: list[Path]) -> list[str]:
    """The command line that Hydra gets."""
    return [
        "ecomgpt", "--multirun", *sweep.own, *searchpath(roots),
        f"hydra.sweep.dir='{sweep.folder}'", "hydra.sweep.subdir=.", "hydra.output_subdir=null",
    ]


def _hydra_settings(overrides: list[str], roots: list[Path]) -> DictConfig:
    """Hydra's own part of the composed configuration: a study may bring a sweeper with its parameters."""
    register()
    try:
        with initialize_config_dir(str(shipped("conf")), version_base="1.3"):
            # Names that do not reach Hydra's own part would only get in its way here.
            wanted = [item for item in overrides if item.lstrip("+").startswith(("hydra", STUDIES))]
            return compose("config", overrides=wanted + searchpath(roots), return_hydra_config=True).hydra
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError("configuration: " + " ".join(str(error.__cause__ or error).split())) from error


def _merged(params: list[Override], given: list[Override]) -> list[Override]:
    """The study's parameters under the command line's, each key once: as Hydra's sweeper takes them."""
    by_key: dict[str, Override] = {}
    for item in (*params, *given):
        by_key[item.get_key_element()] = item
    return list(by_key.values())


def _product(items: list[Override]) -> list[list[str]]:
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    try:
        batches = BasicSweeper.split_arguments([item for item in items if not item.key_or_group.startswith("hydra")], None)
    except HydraException as error:
        raise UserError(f"command line: {error}; list the values, or choose a sweeper that draws them") from error
    return [list(job) for batch in batches for job in batch]


def _text(item: Override) -> str:
    return f"{item.get_key_element()}={item.get_value_element_as_str()}"


def _key(item: str) -> Any:
    return item.split("=", 1)[0]
