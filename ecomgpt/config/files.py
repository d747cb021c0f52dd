"""The YAML files of Hydra's groups, checked before Hydra composes them: ours, the studies, and the user's own folder."""

import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ecomgpt.common.errors import nearest
from ecomgpt.config.check import check, construct, parse
from ecomgpt.config.roots import shipped
from ecomgpt.config.schema import GROUPS, Config

STUDIES = "experiments"
# Folders of a configuration folder that hold YAML files, Hydra's or declarations.
FOLDERS = (*GROUPS, STUDIES, "tasks", "pseudo", "compare")


def search_roots(overrides: list[str], config_dir: str | None = None) -> list[Path]:
    """Folders whose subfolders are config groups: ours, then the user's (``--config-dir`` and ``paths.conf``)."""
    own = [item.split("=", 1)[1].strip("'\"") for item in overrides if item.startswith("paths.conf=")]
    given = [Path(folder) for folder in (config_dir, *own) if folder and folder != "null"]
    return [folder.expanduser().resolve() for folder in (shipped("conf"), shipped(STUDIES).parent, *given)]


def options(group: str, roots: list[Path]) -> dict[str, Path]:
    """The options of a group by name; for a name that the user's folder has as well, the user's file."""
    if group not in GROUPS and group != STUDIES:
        return {}
    # The folder that holds our studies may be a checkout: what else lies there, such as ./data, is no configuration.
    beside = shipped(STUDIES).parent.resolve()
    searched = [root for root in roots if group == STUDIES or root.resolve() != beside]
    return {path.stem: path for root in searched for path in sorted((root / group).glob("*.yaml"))}


def check_file(path: Path, hint: Any) -> list[str]:
    """Problems of one file of a group; ``defaults`` lists are Hydra's and pass."""
    node, broken = parse(path)
    if node is None or broken:
        return broken
    if isinstance(node, yaml.MappingNode):
        node.value = [(key, value) for key, value in node.value if key.value not in ("defaults", "hydra")]
    return list(check(node, hint, str(path)))


def problems(chosen: dict[str, list[str]], given: set[str], roots: list[Path]) -> list[str]:
    """Everything wrong with the files that a command selects, and with all files of the user's own folder.

    Args:
        chosen: Names of options by group, from the command line.
        given: Keys that the command line sets.
        roots: From `search_roots`.
    """
    hints = {**typing.get_type_hints(Config), "trainer/callbacks": dict[str, Any]}
    found: list[str] = []
    seen: set[Path] = set()
    for path, group in _selected(chosen, roots):
        hint = hints[group] if group in hints and not _is_global(path) else Config
        found += check_file(path, hint)
        seen.add(path)
        # A study may set what a file leaves open; which one wins is for Hydra to say.
        if STUDIES not in chosen:
            found += _unset(path, "" if hint is Config else f"{group}.", given)
    for root in roots[2:]:
        found += _own_folder(root, seen, hints)
    return found


def _own_folder(root: Path, seen: set[Path], hints: dict[str, Any]) -> Iterator[str]:
    if (root / "config.yaml").is_file() and not _same_bytes(root / "config.yaml", shipped("conf") / "config.yaml"):
        yield f"{root / 'config.yaml'}: is not read; put settings into a study, {root / STUDIES}/<name>.yaml"
    for folder in sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []:
        close = nearest(folder.name, FOLDERS, cutoff=0.8)
        if folder.name not in FOLDERS and close and any(folder.glob("*.yaml")):
            yield f"{folder}: is not read; did you mean '{close}'?"
    for group in (*GROUPS, STUDIES):
        for path in sorted((root / group).glob("*.yaml")):
            broken = [] if path in seen else check_file(path, Config if _is_global(path) else hints.get(group, Config))
            yield from broken
            ours = shipped("conf") / group / path.name
            # Hydra would read ours without a word.
            if not broken and ours.is_file() and not _same_bytes(path, ours):
                yield f"{path}: has the name of an option that ecomgpt brings; give it another name"


def _same_bytes(one: Path, other: Path) -> bool:
    try:
        return one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def _unset(path: Path, prefix: str, given: set[str]) -> Iterator[str]:
    """Keys left as ``???``: merging would silently keep the schema's default for them."""
    node, _ = parse(path)
    for key, line in _open(node):
        if prefix + key not in given:
            yield f"{path}:{line}: '{prefix}{key}' is not set; give {prefix}{key}=<value>"


def _open(node: yaml.Node | None, key: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            yield from _open(value, f"{key}.{name.value}" if key else str(name.value))
    elif isinstance(node, yaml.ScalarNode) and node.value == "???":
        yield key, node.start_mark.line + 1


def _selected(chosen: dict[str, list[str]], roots: list[Path]) -> Iterator[tuple[Path, str]]:
    """The files that the command selects with their group, by Hydra's rule: the command line, then later defaults."""
    root_file = shipped("conf") / "config.yaml"
    yield root_file, ""
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
            yield path, group


def _files(group: str, names: list[str], roots: list[Path]) -> list[Path]:
    known = options(group, roots)
    return [known[name] for name in names if name in known]


def _defaults_of(path: Path) -> Iterator[tuple[str, str]]:
    node, _ = parse(path)
    entries = (construct(node) or {}).get("defaults", []) if isinstance(node, yaml.MappingNode) else []
    for entry in entries if isinstance(entries, list) else []:
        for key, name in entry.items() if isinstance(entry, dict) else []:
            group = str(key).removeprefix("optional ").removeprefix("override ").lstrip("/").split("@")[0]
            if isinstance(name, str) and group in GROUPS:
                yield group, name


def _is_global(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return bool(re.search(r"^#\s*@package\s+_global_", text, re.MULTILINE))
