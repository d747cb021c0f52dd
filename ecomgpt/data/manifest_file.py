"""What readers of `data/manifest.json` rely on; `ecomgpt.data.manifest` writes it. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class MixtureTask:
    """One task of a training mixture.

    Attributes:
        name: ``<dataset>.<task>``.
        kind: ``raw`` or ``atomic``.
        label: ``golden`` or ``pseudo``.
        examples, tokens: Of the training split.
        dropped: Offered rows that did not become training examples, by reason.
        truncated: Examples whose input was cut.
    """

    name: str
    source: str
    family: str
    kind: str
    label: str
    examples: int
    tokens: int
    dropped: dict[str, int]
    truncated: int

    @property
    def group(self) -> str:
        """``raw``, ``golden atomic`` or ``pseudo atomic``; raw tasks with pseudo labels count as raw."""
        return f"{self.label} atomic" if self.kind == "atomic" else "raw"

    @property
    def title(self) -> str:
        """The name with its source, where it does not hold it."""
        return self.name if self.source in self.name else f"{self.name} · {self.source}"


@dataclass(frozen=True)
class Manifest:
    """What a model was trained on.

    Attributes:
        checked_against: The suite whose texts were kept out.
        removed: How many examples held such a text.
    """

    fingerprint: str
    examples: int
    tokens: int
    tasks: list[MixtureTask]
    checked_against: str
    removed: int

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Manifest:
        """Reads the manifest.

        Raises:
            TypeError, ValueError, KeyError, AttributeError: If it is something else.
        """
        names = [field.name for field in fields(MixtureTask)]
        return cls(
            str(content["fingerprint"]),
            int(content["examples"]),
            int(content["tokens"]),
            [MixtureTask(**{name: entry[name] for name in names}) for entry in content["tasks"]],
            str(content["contamination"]["checked_against"] or ""),
            int(content["contamination"]["removed"]),
        )
