"""From a command line to one checked `Config`."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ecomgpt.common.errors import UserError
from ecomgpt.config import command, files, rules, suites
from ecomgpt.config.roots import shipped
from ecomgpt.config.schema import KEYS, Config

RETIRED = ("eval.bootstrap",)
"""Keys of earlier versions that decide nothing any more: run directories whose configuration holds them are read."""


def register() -> None:
    """Gives Hydra the schema that stands first in ``conf/config.yaml``."""
    ConfigStore.instance().store(name="schema", node=Config)


def searchpath(roots: list[Path]) -> list[str]:
    """The override that lets Hydra find the studies and the user's own folder."""
    extra = ",".join("'file://" + str(root).replace("'", "\\'") + "'" for root in roots[1:])
    return [f"hydra.searchpath=[{extra}]"]


def merged(overrides: list[str], roots: list[Path]) -> tuple[DictConfig, DictConfig]:
    """The configuration as Hydra composes it, and Hydra's own settings.

    Raises:
        UserError: In Hydra's words.
    """
    register()
    try:
        with initialize_config_dir(str(shipped("conf")), version_base="1.3"):
            raw = compose("config", overrides=overrides + searchpath(roots), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError("configuration: " + " ".join(str(error.__cause__ or error).split())) from error
    hydra = raw.hydra
    with open_dict(raw):
        del raw["hydra"]
    return raw, hydra


def composed(overrides: list[str], roots: list[Path]) -> DictConfig:
    """The composed configuration of one job.

    Raises:
        UserError: With everything that is wrong.
    """
    found = command.problems(overrides, roots, multirun=False)
    if found:
        raise UserError(*found)
    raw, hydra = merged(command.opened(overrides), roots)
    chosen = {group: [str(name)] for group, name in hydra.runtime.choices.items()}
    found = list(files.unset(chosen, command.given(overrides), roots))
    if found:
        raise UserError(*found)
    return raw


def checked(raw: DictConfig, further: Callable[[Config], Iterable[str]] = lambda config: ()) -> Config:
    """The configuration as a dataclass, after every rule about combinations.

    Args:
        raw: As Hydra composed it.
        further: Rules of rooms above this one, whose problems stand in the same list.

    Raises:
        UserError: With everything that is wrong.
    """
    try:
        missing = sorted(OmegaConf.missing_keys(raw))
        if missing:
            raise UserError(
                *(
                    f"'{key}' is not set ({KEYS[key].help if key in KEYS else 'required'}); give {key}=<value>"
                    for key in missing
                )
            )
        OmegaConf.resolve(raw)
        config = _typed(raw)
    except OmegaConfBaseException as error:
        raise UserError("configuration: " + " ".join(str(error).split())) from error
    config.eval = suites.joined(config.eval, config.paths.conf)
    found = [*rules.problems(config), *further(config)]
    if found:
        raise UserError(*found)
    return config


def load(path: Path) -> Config:
    """A resolved configuration as a run directory holds it.

    Raises:
        UserError: If the file is absent or does not fit the schema.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; '{path.parent}' is not a run directory")
    found = files.check_file(path, Config, RETIRED)
    if found:
        raise UserError(*found)
    raw = OmegaConf.load(path)
    for key in RETIRED:
        group, _, name = key.rpartition(".")
        (OmegaConf.select(raw, group) or {}).pop(name, None)
    return _typed(raw)


def _typed(raw: Any) -> Config:
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), raw))
    assert isinstance(config, Config)
    return config
