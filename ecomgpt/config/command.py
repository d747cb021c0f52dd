"""The command line, checked before Hydra composes: all problems at once, with nearest names."""

import dataclasses
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException

from ecomgpt.common.errors import nearest, suggestion
from ecomgpt.config import files
from ecomgpt.config.check import check_value
from ecomgpt.config.files import STUDIES, options
from ecomgpt.config.schema import Config


def problems(overrides: list[str], roots: list[Path], multirun: bool) -> list[str]:
    """Everything wrong with the command line and with the YAML files that it selects.

    Args:
        overrides: The arguments that are not flags.
        roots: From `ecomgpt.config.files.search_roots`.
        multirun: Whether ``--multirun`` was given.
    """
    found = [f"paths.conf: the folder '{root}' does not exist" for root in roots if not root.is_dir()]
    chosen: dict[str, list[str]] = {}
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException:
            found.append(
                f"command line: '{text}' cannot be read; write <key>=<value>, with quotes around special characters"
            )
            continue
        if not override.key_or_group.startswith(("hydra.", "hydra/")):
            found += _check_override(override, text, roots, multirun, chosen)
    given = {text.lstrip("+").split("=", 1)[0] for text in overrides}
    return found + files.problems(chosen, given, roots)


def _check_override(
    override: Override, text: str, roots: list[Path], multirun: bool, chosen: dict[str, list[str]]
) -> Iterator[str]:
    key = override.key_or_group
    if override.package is not None:
        yield f"command line: '{text}': a group's place can't be changed; write {text.replace('@' + override.package, '', 1)}"
        return
    if override.is_sweep_override() and not multirun:
        yield f"command line: '{text}' lists several values; add --multirun to run one job for each"
        return
    if override.is_delete():
        yield f"command line: '{text}': keys can't be removed; set {key}=null, or the group to another option"
        return
    known = options(key, roots)
    values = _values(override)
    if known and not any(isinstance(value, dict) for value in values):
        if key == STUDIES and not override.is_add():
            yield f"command line: '{text}': a study is laid over the configuration with a plus: +{text}"
        if key != STUDIES and override.is_add():
            yield f"command line: '{text}': write it without the plus: {text.lstrip('+')}"
        for value in values:
            for name in value if isinstance(value, list) else [value]:
                if str(name) not in known:
                    yield f"command line: {key}={name}: no such option{suggestion(str(name), list(known))}"
                else:
                    chosen.setdefault(key, []).append(str(name))
        return
    hint, field, trouble = resolve(key)
    if trouble:
        yield f"command line: {trouble}"
    elif override.is_add() and not override.is_force_add() and not _in_mapping(key):
        yield f"command line: '{text}': the key exists; write it without the plus: {text.lstrip('+')}"
    else:
        for value in values:
            yield from check_value(value, hint, field, key, "command line")


def resolve(key: str) -> tuple[Any, dataclasses.Field | None, str]:
    """The type and field of a dotted key of `Config`, or what is wrong with it."""
    hint: Any = Config
    field = None
    for depth, part in enumerate(key.split(".")):
        if typing.get_origin(hint) is dict:
            hint = typing.get_args(hint)[1]
            continue
        if not dataclasses.is_dataclass(hint):
            return None, None, f"'{key}': '{'.'.join(key.split('.')[:depth])}' is a value and has no keys"
        fields = {field.name: field for field in dataclasses.fields(hint)}
        if part not in fields:
            return None, None, f"unknown key '{key}'{_like(key, part, depth, list(fields))}"
        field = fields[part]
        hint = typing.get_type_hints(hint)[part]
    return hint, field, ""


def _like(key: str, part: str, depth: int, fields: list[str]) -> str:
    """The nearest valid key in full, ready to be copied."""
    best = nearest(part, fields + ([STUDIES] if depth == 0 else []))
    if best is None:
        return suggestion(part, fields)
    return f"; did you mean '{'.'.join([*key.split('.')[:depth], best])}'?"


def opened(overrides: list[str]) -> list[str]:
    """The overrides with ``++`` before keys inside free mappings (``data.weights.x=2``), which Hydra wants for new names."""
    return [f"++{text}" if text[:1].isalpha() and _in_mapping(text.split("=", 1)[0]) else text for text in overrides]


def _in_mapping(key: str) -> bool:
    hint: Any = Config
    for part in key.split("."):
        if typing.get_origin(hint) is dict:
            return True
        if not dataclasses.is_dataclass(hint):
            return False
        hint = typing.get_type_hints(hint).get(part)
    return False


def _values(override: Override) -> list[Any]:
    if not override.is_sweep_override():
        return [_plain(override.value())]
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        return [sweep.start, sweep.end]
    return [
        _plain(OverridesParser.create().parse_override(f"x={text}").value())
        for text in override.sweep_string_iterator()
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return value if isinstance(value, bool | int | float | str | type(None)) else str(value).strip("'\"")
