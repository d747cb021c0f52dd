"""A key of the configuration: its default, its limits and what it means."""

import dataclasses
from typing import Any


def option(
    default: Any = dataclasses.MISSING, help: str = "", *, factory: Any = dataclasses.MISSING, **meta: Any
) -> Any:
    """A dataclass field with its description and limits.

    Args:
        default: The default value.
        help: One sentence for people; the single source of every help text.
        factory: Makes the default where it is mutable.
        **meta: ``choices`` (a list of valid values), ``low`` and ``high`` (inclusive bounds).
    """
    return dataclasses.field(default=default, default_factory=factory, metadata={"help": help, **meta})
