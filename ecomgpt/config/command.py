"""The command line and the files it selects, checked before Hydra composes them: all problems at once, with nearest names."""

import dataclasses
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException

from ecomgpt.config import declare
from ecomgpt.config.roots import shipped
from ecomgpt.config.schema import Config
from ecomgpt.errors import suggestion

STUDIES = "experiments"


def search_roots(overrides: list[str], config_dir: str | None = None) -> list[Path]:
    """Folders whose subfolders are config groups: ours, then the user's (``--config-dir`` and ``paths.conf``)."""
    own = [item.split("=", 1)[1] for item in overrides if item.startswith("paths.conf=")]
    folders = [shipped("conf"), shipped(STUDIES).parent] + [Path(folder) for folder in (config_dir, *own) if folder]
    return [folder.expanduser().resolve() for folder in folders]


def options(group: str, roots: list[Path]) -> dict[str, Path]:
    """The options of a group by name; the user's own win over ours."""
    if "/" in group or (group not in Config.__dataclass_fields__ and group != STUDIES):
        return {}
    return {path.stem: path for root in roots for path in sorted((root / group).glob("*.yaml"))}


def problems(overrides: list[str], roots: list[Path], multirun: bool) -> list[str]:
    """Everything wrong with the command line and with the YAML files that it selects.

    Args:
        overrides: The arguments that are not flags.
        roots: From `search_roots`.
        multirun: Whether ``--multirun`` was given.
    """
    found = [f"paths.conf: the folder '{root}' does not exist" for root in roots if not root.is_dir()]
    chosen: dict[str, list[str]] = {}
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException:
            found.append(f"command line: '{text}' cannot be read; write <key>=<value>, with quotes around special characters")
            continue
        if not override.key_or_group.startswith("hydra"):
            found += _check_override(override, text, roots, multirun, chosen)
    given = {text.lstrip("+").split("=", 1)[0] for text in overrides}
    for path, hint in _selected(chosen, roots):
        found += check_file(path, hint)
        # A study may set what a file leaves open; which one wins is for Hydra to say.
        if STUDIES not in chosen:
            prefix = "" if hint is Config else f"{path.parent.name}."
            node, _ = declare.parse(path)
            found += [
                f"{path}:{line}: '{prefix}{key}' is not set; give {prefix}{key}=<value>"
                for key, line in _open(node)
                if prefix + key not in given
            ]
    return found


def check_file(path: Path, hint: Any) -> list[str]:
    """Problems of one file of a group; ``defaults`` lists are Hydra's and pass."""
    node, broken = declare.parse(path)
    if node is None or broken:
        return broken
    if isinstance(node, yaml.MappingNode):
        node.value = [(key, value) for key, value in node.value if key.value not in ("defaults", "hydra")]
    return list(declare.check(node, hint, str(path)))


def _open(node: yaml.Node | None, key: str = "") -> Iterator[tuple[str, int]]:
    """Keys whose value is ``???``, with their lines; merging would silently keep the schema's default for them."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            yield from _open(value, f"{key}.{name.value}" if key else str(name.value))
    elif isinstance(node, yaml.ScalarNode) and node.value == "???":
        yield key, node.start_mark.line + 1


def _check_override(
    override: Override, text: str, roots: list[Path], multirun: bool, chosen: dict[str, list[str]]
) -> Iterator[str]:
    key = override.key_or_group
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
    elif override.is_add() and not override.is_force_add():
        yield f"command line: '{text}': the key exists; write it without the plus: {text.lstrip('+')}"
    else:
        for value in values:
            yield from declare.check_value(value, hint, field, key, "command line")


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
            best = suggestion(part, list(fields) + ([STUDIES] if depth == 0 else []))
            return None, None, f"unknown key '{key}'{best}"
        field = fields[part]
        hint = typing.get_type_hints(hint)[part]
    return hint, field, ""


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
    return [_plain(OverridesParser.create().parse_override(f"x={text}").value()) for text in override.sweep_string_iterator()]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return value if isinstance(value, bool | int | float | str | type(None)) else str(value).strip("'\"")


def _selected(chosen: dict[str, list[str]], roots: list[Path]) -> Iterator[tuple[Path, Any]]:
    """The files that the command selects, by Hydra's rule: the command line, then later defaults over earlier ones."""
    hints = typing.get_type_hints(Config)
    root_file = shipped("conf") / "config.yaml"
    yield root_file, Config
    selection = {group: list(names) for group, names in chosen.items()}
    queue = [path for group in (STUDIES, "model") for path in _files(group, selection.get(group, []), roots)]
    defaults = {group: [name] for group, name in _defaults_of(root_file)}
    if "model" not in selection:
        queue += _files("model", defaults.get("model", []), roots)
    for path in queue:
        for group, name in _defaults_of(path):
            selection.setdefault(group, [name])
    for group, names in {**defaults, **selection}.items():
        for path in _files(group, names, roots):
            yield path, Config if _is_global(path) else hints.get(group, Config)


def _files(group: str, names: list[str], roots: list[Path]) -> list[Path]:
    known = options(group, roots)
    return [known[name] for name in names if name in known]


def _defaults_of(path: Path) -> Iterator[tuple[str, str]]:
    node, _ = declare.parse(path)
    entries = (declare.construct(node) or {}).get("defaults", []) if isinstance(node, yaml.MappingNode) else []
    for entry in entries if isinstance(entries, list) else []:
        for key, name in entry.items() if isinstance(entry, dict) else []:
            group = str(key).removeprefix("optional ").removeprefix("override ").lstrip("/").split("@")[0]
            if isinstance(name, str) and group in Config.__dataclass_fields__:
                yield group, name


def _is_global(path: Path) -> bool:
    return bool(re.search(r"^#\s*@package\s+_global_", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE))
