"""YAML trees and values against dataclasses: every problem with its file, line, key and the nearest valid name.

The files of Hydra's groups and the command line are checked here before Hydra composes them, because Hydra stops at the
first problem.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ecomgpt.common.errors import suggestion

FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times faster where PyYAML was built with libyaml; a broken file is read again with the other, whose messages
say more."""


def parse(path: Path) -> tuple[yaml.Node | None, list[str]]:
    """The file's YAML tree (None for an empty file), or what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        try:
            node = yaml.compose(text, Loader=FAST)
        except yaml.YAMLError:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        construct(node)  # Unknown tags, impossible dates and the like show only now.
        return node, []
    except OSError as error:
        return None, [f"{path}: cannot be read: {error.strerror}"]
    except UnicodeDecodeError as error:
        return None, [f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8"]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return None, [f"{path}:{line}: broken YAML: {error.problem}"]
    except yaml.YAMLError as error:
        return None, [f"{path}: broken YAML: {' '.join(str(error).split())}"]
    except ValueError as error:
        return None, [f"{path}: broken YAML: a date or number that can't be: {error}"]


def construct(node: yaml.Node | None) -> Any:
    """Plain Python values of a YAML tree."""
    if node is None:
        return {}
    loader = yaml.SafeLoader("")
    return loader.construct_document(node)


def check(
    node: yaml.Node, hint: Any, file: str, key: str = "", field: dataclasses.Field | None = None
) -> Iterator[str]:
    """Every problem of a YAML tree against a type, as sentences.

    Interpolations (``${...}``) and ``???`` pass: Hydra resolves and checks them later.

    Args:
        node: The tree.
        hint: A dataclass, or a type as in a dataclass's annotations.
        file: Its name, for the message.
        key: The dotted key of ``node``.
        field: The field that declares the limits, if any.
    """
    where = f"{file}:{node.start_mark.line + 1}"
    if isinstance(node, yaml.ScalarNode) and ("${" in node.value or node.value == "???"):
        return
    if dataclasses.is_dataclass(hint):
        yield from _check_mapping(node, hint, file, key, where)
        return
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        branches = [list(check(node, branch, file, key, field)) for branch in arguments]
        if all(branches):
            # Of a union's complaints, those of the branch with the node's own shape say most.
            shaped = [found for branch, found in zip(arguments, branches, strict=True) if _same_shape(node, branch)]
            yield from (shaped or [[f"{where}: '{key}' is {_shown(node)}, expected {_name(hint)}"]])[0]
        return
    if origin in (list, tuple):
        if not isinstance(node, yaml.SequenceNode):
            yield f"{where}: '{key}' is {_shown(node)}, expected a list"
            return
        inner = arguments[0] if arguments else Any
        for index, item in enumerate(node.value):
            yield from check(item, inner, file, f"{key}[{index}]", field)
        return
    if origin is dict:
        if not isinstance(node, yaml.MappingNode):
            yield f"{where}: '{key}' is {_shown(node)}, expected a mapping"
            return
        for name, value in node.value:
            yield from check(value, arguments[1], file, f"{key}.{name.value}")
        yield from _doubles(node, file)
        return
    yield from _check_scalar(node, hint, key, where, field)


def check_value(value: Any, hint: Any, field: dataclasses.Field | None, key: str, where: str) -> Iterator[str]:
    """As `check`, for a value from the command line: it takes the same way through YAML."""
    node = yaml.compose(yaml.safe_dump(value, allow_unicode=True), Loader=yaml.SafeLoader)
    assert node is not None  # A dumped value is never an empty document.
    for problem in check(node, hint, where, key, field):
        yield problem.replace(f"{where}:1: ", f"{where}: ", 1)


def _check_mapping(node: yaml.Node, cls: Any, file: str, key: str, where: str) -> Iterator[str]:
    if not isinstance(node, yaml.MappingNode):
        yield f"{where}: '{key or 'the file'}' is {_shown(node)}, expected a mapping of keys to values"
        return
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    yield from _doubles(node, file)
    for name, value in node.value:
        dotted = f"{key}.{name.value}" if key else str(name.value)
        if name.value not in fields:
            line = name.start_mark.line + 1
            yield f"{file}:{line}: unknown key '{dotted}'{suggestion(str(name.value), list(fields))}"
        else:
            yield from check(value, hints[name.value], file, dotted, fields[name.value])


def _doubles(node: yaml.MappingNode, file: str) -> Iterator[str]:
    seen: set[str] = set()
    for name, _ in node.value:
        if str(name.value) in seen:
            yield f"{file}:{name.start_mark.line + 1}: the key '{name.value}' stands there twice"
        seen.add(str(name.value))


def _check_scalar(node: yaml.Node, hint: Any, key: str, where: str, field: dataclasses.Field | None) -> Iterator[str]:
    if hint is Any:
        return
    value = construct(node)
    accepted = {float: (float, int), int: (int,), bool: (bool,), str: (str,), type(None): (type(None),)}[hint]
    if not isinstance(value, accepted) or (isinstance(value, bool) and hint is not bool):
        if not (hint is float and isinstance(value, str) and is_number(value)):
            yield f"{where}: '{key}' is {_shown(node)}, expected {_name(hint)}"
            return
        value = float(value)  # YAML 1.1 reads 1e-4 as text; OmegaConf reads it as a number.
    limits = field.metadata if field else {}
    choices = limits.get("choices")
    if choices is not None and value is not None and value not in choices:
        yield f"{where}: '{key}' is '{value}'{suggestion(str(value), [str(choice) for choice in choices])}"
    if hint is float and not math.isfinite(float(value)):
        yield f"{where}: '{key}' is {value}, but must be a finite number"
        return
    if isinstance(value, int | float) and not isinstance(value, bool):
        if "low" in limits and value < limits["low"]:
            yield f"{where}: '{key}' is {value}, but must be at least {limits['low']}"
        if "high" in limits and value > limits["high"]:
            yield f"{where}: '{key}' is {value}, but must be at most {limits['high']}"


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _same_shape(node: yaml.Node, hint: Any) -> bool:
    origin = typing.get_origin(hint) or hint
    if isinstance(node, yaml.SequenceNode):
        return origin in (list, tuple)
    if isinstance(node, yaml.MappingNode):
        return origin is dict or dataclasses.is_dataclass(hint)
    return isinstance(hint, type) and isinstance(construct(node), hint) and not dataclasses.is_dataclass(hint)


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    value = construct(node)
    return "empty" if value is None else f"{value!r}"[:60]


def _name(hint: Any) -> str:
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_name(branch) for branch in typing.get_args(hint))
    return names.get(hint, str(hint))
