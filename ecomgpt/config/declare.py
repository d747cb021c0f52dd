"""YAML declarations that Hydra does not compose (datasets, tasks, evaluation tasks, labellings) as dataclasses."""

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ecomgpt.common.errors import UserError
from ecomgpt.config.check import check, construct, is_number, parse

T = TypeVar("T")


def option(
    default: Any = dataclasses.MISSING, help: str = "", *, factory: Any = dataclasses.MISSING, **limits: Any
) -> Any:
    """A dataclass field with its description and limits.

    Args:
        default: The default value.
        help: One sentence for people; the single source of every help text.
        factory: Makes the default where it is mutable.
        **limits: ``choices`` (a list of valid values), ``low`` and ``high`` (inclusive bounds).
    """
    return dataclasses.field(default=default, default_factory=factory, metadata={"help": help, **limits})


def load(path: Path, cls: type[T]) -> T:
    """Reads one YAML file into a dataclass.

    Raises:
        UserError: With all problems of the file.
    """
    node, problems = parse(path)
    if not problems:
        problems = [] if node is None else list(check(node, cls, str(path)))
        given = {key.value for key, _ in node.value} if isinstance(node, yaml.MappingNode) else set()
        for field in dataclasses.fields(cls):  # type: ignore[arg-type]
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if required and field.name not in given:
                problems.append(f"{path}: the key '{field.name}' is missing ({field.metadata.get('help', 'required')})")
    if problems:
        raise UserError(*problems)
    return build(cls, construct(node))


def build(cls: type[T], values: dict[str, Any]) -> T:
    """An instance from checked plain values, nested dataclasses included."""
    hints = typing.get_type_hints(cls)
    return cls(**{name: _convert(value, hints[name]) for name, value in values.items()})


def _convert(value: Any, hint: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return build(hint, value)  # type: ignore[arg-type]
    if origin in (typing.Union, types.UnionType):
        nested = [branch for branch in arguments if dataclasses.is_dataclass(branch)]
        if nested and isinstance(value, dict):
            return _convert(value, nested[0])
        return float(value) if float in arguments and isinstance(value, str) and is_number(value) else value
    if origin in (list, tuple) and isinstance(value, list) and arguments:
        return origin(_convert(item, arguments[0]) for item in value)
    if origin is dict and isinstance(value, dict):
        return {name: _convert(item, arguments[1]) for name, item in value.items()}
    return float(value) if hint is float else value
