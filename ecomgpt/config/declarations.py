"""The YAML files that Hydra does not compose (datasets, tasks, evaluation tasks, labellings), as checked models."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import CoreSchema, core_schema

from ecomgpt.common.errors import UserError, suggestion
from ecomgpt.config.check import construct, parse
from ecomgpt.config.roots import declarations
from ecomgpt.config.validate import validated


class Strict(BaseModel):
    """A part of a declaration; the fields' descriptions are the reference, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class Declaration(Strict):
    """What a file declares."""

    name: str = Field(description="its name; the file's without its ending, so it may be left out")


S = TypeVar("S", bound=Strict)
D = TypeVar("D", bound=Declaration)


class OneOf:
    """Restricts text to the names in a registry: ``Annotated[str, OneOf(READERS)]``."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.literal_schema(list(self.names))


def one_or_named(named: Mapping[str, Any], value: Any) -> BeforeValidator:
    """Lets a key stand for a value by language.

    Args:
        named: What each key stands for.
        value: The type of what is given by language.
    """

    def expand(given: Any) -> Any:
        if not isinstance(given, str):
            return given
        if given not in named:
            raise ValueError(suggestion(given, list(named)))
        return named[given]

    return BeforeValidator(expand, json_schema_input_type=Literal[tuple(named)] | dict[str, value])


def load(path: Path, cls: type[S], /, **implied: Any) -> S:
    """Reads one YAML file.

    Args:
        path: The file.
        cls: What it declares.
        **implied: Keys that follow from the file's place; a file may repeat them, but not contradict them.

    Raises:
        UserError: With all problems of the file.
    """
    node, broken = parse(path)
    if broken:
        raise UserError(*broken)
    values = construct(node)
    node = node or yaml.MappingNode("tag:yaml.org,2002:map", [], yaml.Mark(str(path), 0, 0, 0, None, 0))
    contradicted = []
    if isinstance(values, dict):
        contradicted = [
            f"{path}: the {key} is '{values[key]}', but the file is called '{value}'; leave the key out"
            for key, value in implied.items()
            if values.get(key, value) != value
        ]
        values = {**implied, **values}
    result, found = validated(node, values, cls, str(path))
    if found or contradicted:
        raise UserError(*(sentence for _, sentence in found), *contradicted)
    return result


def load_all(
    group: str,
    own: str | None,
    read: Callable[[Path], Iterable[D]],
    problems_of: Callable[[D, Path], Iterable[str]],
    names: Sequence[str] | None,
    unknown: str,
) -> list[D]:
    """The declarations of a group, in the order of the files or of ``names``.

    Args:
        group: A folder below ``conf``, such as ``sources/datasets``.
        own: The user's own configuration folder; what is declared there replaces shipped ones of the same name.
        read: What a file declares.
        problems_of: What its types can't tell.
        names: Which; None for all.
        unknown: What is said of a name that is not declared, with ``{}`` for it.

    Raises:
        UserError: With all problems of all files, or of all names.
    """
    found: dict[str, tuple[D, Path]] = {}
    problems: list[str] = []
    for path in declarations(group, own):
        try:
            declared = list(read(path))
        except UserError as error:
            problems += error.problems
            continue
        for one in declared:
            problems += (f"{path}: {problem}" for problem in problems_of(one, path))
            twin = found[one.name][1] if one.name in found else None
            if twin and (own is None or (Path(own) in path.parents) == (Path(own) in twin.parents)):
                problems.append(
                    f"{path}: the name '{one.name}' is also that of {twin}; every declaration needs its own"
                )
            found[one.name] = one, path
    wanted = list(found) if names is None else list(dict.fromkeys(names))
    missing = [f"{unknown.format(name)}{suggestion(name, list(found))}" for name in wanted if name not in found]
    if problems or missing:
        raise UserError(*(problems or missing))
    return [found[name][0] for name in wanted]
