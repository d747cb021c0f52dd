"""From a command line to one checked `Config`."""

from collections.abc import Callable, Iterable
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ecomgpt.common.errors import UserError
from ecomgpt.config import command, files, rules, suites
from ecomgpt.config.roots import shipped
from ecomgpt.config.schema import Config


def register() -> None:
    """Gives Hydra the schema that stands first in ``conf/config.yaml``."""
    ConfigStore.instance().store(name="schema", node=Config)


def searchpath(roots: list[Path]) -> list[str]:
    """The override that lets Hydra find the studies and the user's own folder."""
    extra = ",".join("'file://" + str(root).replace("'", "\\'") + "'" for root in roots[1:])
    return [f"hydra.searchpath=[{extra}]"]


def composed(overrides: list[str], roots: list[Path]) -> DictConfig:
    """The composed configuration of one job.

    Raises:
        UserError: With everything that is wrong.
    """
    found = command.problems(overrides, roots, multirun=False)
    if found:
        raise UserError(*found)
    register()
    try:
        with initialize_config_dir(str(shipped("conf")), version_base="1.3"):
            return compose("config", overrides=command.opened(overrides) + searchpath(roots))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError("configuration: " + " ".join(str(error.__cause__ or error).split())) from error


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
            raise UserError(*(f"'{key}' is not set ({_help(key)}); give {key}=<value>" for key in missing))
        OmegaConf.resolve(raw)
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), raw))
    except OmegaConfBaseException as error:
        raise UserError("configuration: " + " ".join(str(error).split())) from error
    assert isinstance(config, Config)
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
    found = files.check_file(path, Config)
    if found:
        raise UserError(*found)
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.load(path)))
    assert isinstance(config, Config)
    return config


def _help(key: str) -> str:
    _, field, _ = command.resolve(key)
    return field.metadata.get("help", "required") if field else "required"
