"""The command line, checked before Hydra composes: all problems at once, with nearest names."""

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException

from ecomgpt.common.errors import nearest, suggestion
from ecomgpt.config import files
from ecomgpt.config.check import check_value
from ecomgpt.config.files import OVERLAYS, STUDIES, options
from ecomgpt.config.schema import KEYS, Config

MAPPINGS = {name for name, key in KEYS.items() if typing.get_origin(key.hint) is dict}


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
    return found + files.problems(chosen, given(overrides), roots)


def given(overrides: list[str]) -> set[str]:
    """The keys that a command line sets."""
    return {text.lstrip("+").split("=", 1)[0] for text in overrides}


def _check_override(
    override: Override, text: str, roots: list[Path], multirun: bool, chosen: dict[str, list[str]]
) -> Iterator[str]:
    key = override.key_or_group
    if override.package is not None:
        right = text.replace("@" + override.package, "", 1)
        yield f"command line: '{text}': a group's place can't be changed; write {right}"
    elif override.is_sweep_override() and not multirun:
        yield f"command line: '{text}' lists several values; add --multirun to run one job for each"
    elif override.is_delete():
        yield f"command line: '{text}': keys can't be removed; set {key}=null, or the group to another option"
    else:
        known, values = options(key, roots), _values(override)
        if known and not any(isinstance(value, dict) for value in values):
            yield from _check_options(override, text, values, known, chosen)
        else:
            yield from _check_key(override, text, values)


def _check_options(
    override: Override, text: str, values: list[Any], known: Mapping[str, Path], chosen: dict[str, list[str]]
) -> Iterator[str]:
    group = override.key_or_group
    if group in OVERLAYS and not override.is_add():
        what = "a study" if group == STUDIES else "it"
        yield f"command line: '{text}': {what} is laid over the configuration with a plus: +{text}"
    if group not in OVERLAYS and override.is_add():
        yield f"command line: '{text}': write it without the plus: {text.lstrip('+')}"
    for name in [str(name) for value in values for name in (value if isinstance(value, list) else [value])]:
        if name not in known:
            yield f"command line: {group}={name}: no such option{suggestion(name, list(known))}"
        else:
            chosen.setdefault(group, []).append(name)


def _check_key(override: Override, text: str, values: list[Any]) -> Iterator[str]:
    key = override.key_or_group
    hint, field, trouble = _resolve(key)
    if trouble:
        yield f"command line: {trouble}"
    elif override.is_add() and not override.is_force_add() and not _in_mapping(key):
        yield f"command line: '{text}': the key exists; write it without the plus: {text.lstrip('+')}"
    else:
        for value in values:
            yield from check_value(value, hint, field, key, "command line")


def _resolve(key: str) -> tuple[Any, dataclasses.Field | None, str]:
    """The type and field of a dotted key of `Config`, or what is wrong with it."""
    hint: Any = Config
    field = None
    parts = key.split(".")
    for depth, part in enumerate(parts):
        if typing.get_origin(hint) is dict:
            hint = typing.get_args(hint)[1]
            continue
        if not dataclasses.is_dataclass(hint):
            return None, None, f"'{key}': '{'.'.join(parts[:depth])}' is a value and has no keys"
        fields = {field.name: field for field in dataclasses.fields(hint)}
        if part not in fields:
            return None, None, f"unknown key '{key}'{_like(parts, depth, list(fields))}"
        field, hint = fields[part], typing.get_type_hints(hint)[part]
    return hint, field, ""


def _like(parts: list[str], depth: int, fields: list[str]) -> str:
    """The nearest valid key in full, ready to be copied."""
    best = nearest(parts[depth], fields if depth else [*fields, *OVERLAYS])
    if best is None:
        return suggestion(parts[depth], fields)
    return f"; did you mean '{'.'.join([*parts[:depth], best])}'?"


def opened(overrides: list[str]) -> list[str]:
    """The overrides with ``++`` before keys of free mappings (``data.weights.x=2``), as Hydra wants for new names."""
    return [f"++{text}" if _in_mapping(text.split("=", 1)[0]) else text for text in overrides]


def _in_mapping(key: str) -> bool:
    return any(key.startswith(f"{name}.") for name in MAPPINGS)


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
