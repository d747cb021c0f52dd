"""Configurations side by side: every key on one level, and in which keys several configurations differ."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ecomgpt.common.nested import leaves
from ecomgpt.config.schema import KEYS

QUIET = frozenset(name for name, key in KEYS.items() if key.decides == "nothing")
"""Keys that say where files lie and how much is shown; no number of a run depends on them."""


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """``{"data": {"name": "full_cot"}}`` as ``{"data.name": "full_cot"}``, without the keys in `QUIET`."""
    return {key: value for key, value in leaves(config) if key and key not in QUIET}


def differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys whose values are not the same in all flat configurations, in their order."""
    keys = list(dict.fromkeys(key for config in configs for key in config))
    return [key for key in keys if len({repr(config.get(key)) for config in configs}) > 1]


def distinguishing_keys(configs: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[str]:
    """A small set of the differing keys that distinguishes the configurations.

    Names of options come first, then whatever splits further: what an option brings along needs no mention.
    """
    chosen: list[str] = []
    classes = 1
    for key in sorted(keys, key=lambda key: not key.endswith(".name")):
        split = len({tuple(repr(config.get(one)) for one in (*chosen, key)) for config in configs})
        if split > classes:
            chosen.append(key)
            classes = split
    return chosen


def differences(old: Any, new: Any, free: Collection[str], key: str = "") -> Iterator[str]:
    """Sentences on where two nested dictionaries differ, apart from the keys that may."""
    if key in free:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            yield from differences(old.get(name), new.get(name), free, f"{key}.{name}" if key else name)
    elif old != new:
        yield f"{key} was {'null' if old is None else old}, is now {'null' if new is None else new}"
