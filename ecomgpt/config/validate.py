"""Pydantic's verdict on a YAML tree, told as sentences with file, line and key.

Used for the declarations that Hydra does not compose (`ecomgpt.config.declarations`), whose types are pydantic models,
and for Hydra's configuration (`ecomgpt.config.check`), whose types are the dataclasses of `ecomgpt.config.schema`.
"""

import dataclasses
import functools
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic_core import PydanticCustomError

from ecomgpt.common.errors import suggestion
from ecomgpt.config.check import construct

EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping of keys to values",
}
"""What pydantic's errors of type ask for, in words."""


@functools.cache
def model_of(cls: type) -> type[BaseModel]:
    """The pydantic model of a dataclass whose fields `option` made; every key may be left out, as in a group's file."""
    hints = typing.get_type_hints(cls)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        default = {"default": field.default} if field.default is not dataclasses.MISSING else {"default_factory": dict}
        told = Field(description=field.metadata.get("help"), **default)
        fields[field.name] = (pydantic_type(hints[field.name], field.metadata), told)
    return create_model(cls.__name__, __config__=ConfigDict(extra="forbid"), __doc__=cls.__doc__, **fields)


def validated(
    node: yaml.Node, values: Any, kind: Any, file: str, key: str = ""
) -> tuple[Any, list[tuple[yaml.Node, str]]]:
    """A value of a type from plain values, and what is wrong with them, in the order of the file.

    Args:
        node: The tree that the values come from.
        values: They.
        kind: A type as pydantic knows it.
        file: Its name, for the message.
        key: The dotted key of ``node``.

    Returns:
        The value (None where anything is wrong), and pairs of a node and a sentence about it.
    """
    found = list(_repeated(node, file))
    result = None
    try:
        result = TypeAdapter(kind).validate_python(values, strict=True)
    except ValidationError as error:
        found += [_told(one, node, kind, file, key) for one in error.errors(include_url=False, include_input=False)]
    return (None if found else result), sorted(found, key=lambda pair: pair[0].start_mark.line)


def pydantic_type(hint: Any, limits: Mapping[str, Any]) -> Any:
    """A type as in a dataclass, with the limits that a field of `option` declares, in pydantic's terms."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return model_of(hint)  # type: ignore[arg-type]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(pydantic_type(branch, limits) for branch in arguments)]  # noqa: UP007
    if origin is list:
        return list[pydantic_type(arguments[0], limits)]  # type: ignore[misc]
    if origin is dict:
        return dict[str, pydantic_type(arguments[1], {})]  # type: ignore[misc]
    if hint is str and limits.get("choices"):
        return Literal[tuple(limits["choices"])]
    bounds: dict[str, Any] = {"ge": limits.get("low"), "le": limits.get("high")}
    if hint is float:
        return Annotated[float, BeforeValidator(_number), Field(**bounds)]
    return Annotated[int, Field(**bounds)] if hint is int else hint


def _number(value: Any) -> Any:
    """YAML 1.1 reads 1e-4 as text; OmegaConf reads it as a number. Neither infinity nor nan is one."""
    try:
        value = float(value) if isinstance(value, str) else value
    except ValueError:
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("finite_number", "a finite number")
    return value


def _repeated(node: yaml.Node, file: str) -> Iterator[tuple[yaml.Node, str]]:
    if not isinstance(node, yaml.CollectionNode):
        return
    seen: set[str] = set()
    for item in node.value:
        if isinstance(node, yaml.MappingNode):
            name = str(item[0].value)
            if name in seen:
                yield item[0], f"{file}:{item[0].start_mark.line + 1}: the key '{name}' stands there twice"
            seen.add(name)
        yield from _repeated(item[1] if isinstance(item, tuple) else item, file)


def _told(error: Any, node: yaml.Node, kind: Any, file: str, key: str) -> tuple[yaml.Node, str]:
    """The node that a pydantic error is about, and a sentence."""
    parent, last, name = kind, "", node
    of_key = error["type"] == "extra_forbidden"
    for part in error["loc"]:
        if part == "[key]":  # A mapping's key is wrong, not the value below it.
            of_key = True
            break
        step = _step(node, part)
        last, parent, kind = str(part), kind, _inner(kind, part)
        key += f"[{part}]" if isinstance(node, yaml.SequenceNode) else f".{part}" if key else str(part)
        if step is not None:  # A missing key has no node of its own.
            name, node = step
    node = name if of_key else node
    where = f"{file}:{node.start_mark.line + 1}"
    shown = _shown(node)
    match error["type"]:
        case "extra_forbidden":
            return node, f"{where}: unknown key '{key}'{suggestion(last, list(_bare(parent).model_fields))}"
        case "missing":
            told = _bare(parent).model_fields[last].description or "required"
            return node, f"{where if '.' in key else file}: the key '{key}' is missing ({told})"
        case "literal_error" if isinstance(node, yaml.ScalarNode):
            known = suggestion(str(node.value), re.findall(r"'(.*?)'", error["ctx"]["expected"]))
            return node, f"{where}: " + (f"unknown key '{key}'{known}" if of_key else f"'{key}' is {shown}{known}")
        case "greater_than_equal" | "less_than_equal" as limit:
            bound = f"least {error['ctx']['ge']:g}" if limit[0] == "g" else f"most {error['ctx']['le']:g}"
            return node, f"{where}: '{key}' is {node.value}, but must be at {bound}"
        case "finite_number":
            return node, f"{where}: '{key}' is {node.value}, but must be a finite number"
        case "value_error":
            return node, f"{where}: '{key}' is {shown}{error['ctx']['error']}"
    wanted = EXPECTED.get(error["type"], error["msg"]) + (" or null" if _may_be_null(kind) else "")
    return node, f"{where}: '{key or 'the file'}' is {shown}, expected {wanted}"


def _step(node: yaml.Node, part: Any) -> tuple[yaml.Node, yaml.Node] | None:
    """The key and the value below a node; for an item of a list, the item twice."""
    if isinstance(node, yaml.MappingNode):
        return next((pair for pair in node.value if construct(pair[0]) == part), None)
    return (node.value[part], node.value[part]) if isinstance(node, yaml.SequenceNode) else None


def _inner(kind: Any, part: Any) -> Any:
    """The type of a model's field, or of a list's or mapping's items."""
    kind = _bare(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_fields[part].annotation if part in kind.model_fields else Any
    return (typing.get_args(kind) or (Any,))[-1]


def _bare(kind: Any) -> Any:
    """A type without its limits and without null."""
    if typing.get_origin(kind) is Annotated:
        return _bare(typing.get_args(kind)[0])
    if _may_be_null(kind):
        return _bare(next(one for one in typing.get_args(kind) if one is not types.NoneType))
    return kind


def _may_be_null(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType) and types.NoneType in typing.get_args(kind)


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.CollectionNode):
        return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
    value = construct(node)
    return "empty" if value is None else f"{value!r}"[:60]
