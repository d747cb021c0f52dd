"""Configurations side by side: every key on one level, and in which keys several configurations differ."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

QUIET = (
    "name",
    "paths",
    "preview",
    "measure",
    "overwrite",
    "run",
    "runs",
    "reference",
    "run_a",
    "run_b",
    "input",
    "job",
    "data.processes",
    "trainer.threads",
    "trainer.loggers",
    "trainer.log_every",
    "trainer.checkpoint_every",
    "trainer.keep_checkpoints",
)
"""Keys that say where files lie and how much is shown; no number of a run depends on them."""


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """``{"data": {"name": "full_cot"}}`` as ``{"data.name": "full_cot"}``, without the keys in `QUIET`."""
    found: dict[str, Any] = {}

    def walk(value: Any, key: str) -> None:
        if key in QUIET:
            return
        if isinstance(value, Mapping) and value:
            for name, item in value.items():
                walk(item, f"{key}.{name}" if key else str(name))
        elif key:
            found[key] = value

    walk(config, "")
    return found


def differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys whose values are not the same in all flat configurations, in their order."""
    keys = list(dict.fromkeys(key for config in configs for key in config))
    return [key for key in keys if len({repr(config.get(key)) for config in configs}) > 1]


def telling(configs: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[str]:
    """The few of the differing keys that tell all different configurations apart: names of options first, then whatever
    splits further. What an option brings along (its kinds, its path) then needs no mention."""
    chosen: list[str] = []
    classes = 1
    for key in sorted(keys, key=lambda key: not key.endswith(".name")):
        split = len({tuple(repr(config.get(one)) for one in (*chosen, key)) for config in configs})
        if split > classes:
            chosen.append(key)
            classes = split
    return chosen


def differences(old: Any, new: Any, free: Sequence[str], key: str = "") -> Iterator[str]:
    """Sentences on where two nested dictionaries differ, apart from the keys that may."""
    if key in free:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            yield from differences(old.get(name), new.get(name), free, f"{key}.{name}" if key else name)
    elif old != new:
        yield f"{key} was {'null' if old is None else old}, is now {'null' if new is None else new}"
