"""Nested dictionaries with one level."""

from collections.abc import Iterator, Mapping
from typing import Any


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """``{"data": {"name": "x"}}`` as ``("data.name", "x")``; lists and empty mappings are leaves."""
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from leaves(item, f"{key}.{name}" if key else str(name))
    else:
        yield key, value
