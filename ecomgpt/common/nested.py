"""Nested dictionaries with one level."""

from collections.abc import Iterator, Mapping
from typing import Any


def leaves(value: Any, key: str = "", lists: bool = False) -> Iterator[tuple[str, Any]]:
    """``{"data": {"name": "x"}}`` as ``("data.name", "x")``; empty mappings are leaves.

    Args:
        value: Nested mappings.
        key: What the names begin with.
        lists: Descends into lists as well (``("data.kinds[0]", "raw")``), which are leaves otherwise.
    """
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from leaves(item, f"{key}.{name}" if key else str(name), lists)
    elif lists and isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{key}[{index}]", lists)
    else:
        yield key, value
