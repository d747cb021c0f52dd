"""The YAML files of Hydra's groups: where they lie, and what is wrong with them, told before Hydra composes them."""

import re
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ecomgpt.common.errors import nearest
from ecomgpt.config.check import check, parse
from ecomgpt.config.roots import shipped
from ecomgpt.config.schema import GROUPS, Config

STUDIES = "experiments"
OVERLAYS = {
    STUDIES: "a study, laid over everything else",
    "debug": "a quick look at one aspect, laid over everything else",
}
"""Groups of files that are laid over the whole configuration (``+debug=tiny``), with their help."""
DECLARATIONS = ("tasks", "pseudo", "compare")
"""Folders of a configuration folder that Hydra does not read."""


def search_roots(overrides: list[str], config_dir: str | None = None) -> list[Path]:
    """Folders whose subfolders are config groups: ours, then the user's (``--config-dir`` and ``paths.conf``)."""
    own = [item.split("=", 1)[1].strip("'\"") for item in overrides if item.startswith("paths.conf=")]
    given = [Path(folder) for folder in (config_dir, *own) if folder and folder != "null"]
    return [folder.expanduser().resolve() for folder in (shipped("conf"), shipped(STUDIES).parent, *given)]


def options(group: str, roots: list[Path]) -> dict[str, Path]:
    """The options of a group by name; for a name that the user's folder has as well, the user's file."""
    if group not in (*GROUPS, *OVERLAYS):
        return {}
    # The folder that holds our studies may be a checkout: what else lies there, such as ./data, is no configuration.
    beside = shipped(STUDIES).parent.resolve()
    searched = [root for root in roots if group == STUDIES or root.resolve() != beside]
    return {path.stem: path for root in searched for path in sorted((root / group).glob("*.yaml"))}


def check_file(path: Path, hint: Any, retired: Sequence[str] = ()) -> list[str]:
    """Problems of one file of a group; ``defaults`` lists are Hydra's and pass, as do ``retired`` keys."""
    node, broken = parse(path)
    if node is None or broken:
        return broken
    for key in ("defaults", "hydra", *retired):
        _drop(node, key.split("."))
    return list(check(node, hint, str(path)))


def _drop(node: yaml.Node, parts: Sequence[str]) -> None:
    if isinstance(node, yaml.MappingNode):
        node.value = [(key, value) for key, value in node.value if [key.value] != parts]
        for key, value in node.value:
            if key.value == parts[0]:
                _drop(value, parts[1:])


def problems(chosen: Mapping[str, list[str]], given: Collection[str], roots: list[Path]) -> list[str]:
    """Everything wrong with the user's own files, and with what the files that a command names leave open.

    The package's own files are tested with the package.

    Args:
        chosen: Names of options by group.
        given: Keys that the command line sets.
        roots: From `search_roots`.
    """
    own = [problem for root in roots[2:] for problem in _own_folder(root)]
    return [*own, *unset(chosen, given, roots)]


def unset(chosen: Mapping[str, list[str]], given: Collection[str], roots: list[Path]) -> Iterator[str]:
    """Keys that files leave as ``???``: merging would silently keep the schema's default for them."""
    if any(group in chosen for group in OVERLAYS):
        return  # A study may set what a file leaves open; which one wins is for Hydra to say.
    for group, names in chosen.items():
        known = options(group, roots)
        for path in [known[name] for name in names if name in known]:
            prefix = "" if _is_global(path) else f"{group.replace('/', '.')}."
            for key, line in _open(parse(path)[0]):
                if prefix + key not in given:
                    yield f"{path}:{line}: '{prefix}{key}' is not set; give {prefix}{key}=<value>"


def _own_folder(root: Path) -> Iterator[str]:
    if (root / "config.yaml").is_file() and not _same_bytes(root / "config.yaml", shipped("conf") / "config.yaml"):
        yield f"{root / 'config.yaml'}: is not read; put settings into a study, {root / STUDIES}/<name>.yaml"
    read = (*GROUPS, *OVERLAYS, *DECLARATIONS)
    for folder in sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []:
        close = nearest(folder.name, read, cutoff=0.8)
        if folder.name not in read and close and any(folder.glob("*.yaml")):
            yield f"{folder}: is not read; did you mean '{close}'?"
    hints = {**typing.get_type_hints(Config), "trainer/callbacks": dict[str, Any]}
    for group in (*GROUPS, *OVERLAYS):
        for path in sorted((root / group).glob("*.yaml")):
            broken = check_file(path, Config if _is_global(path) else hints.get(group, Config))
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


def _open(node: yaml.Node | None, key: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            yield from _open(value, f"{key}.{name.value}" if key else str(name.value))
    elif isinstance(node, yaml.ScalarNode) and node.value == "???":
        yield key, node.start_mark.line + 1


def _is_global(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return bool(re.search(r"^#\s*@package\s+_global_", text, re.MULTILINE))
