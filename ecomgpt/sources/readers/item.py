"""What readers hand on, and the few helpers that all of them use."""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecomgpt.common.errors import suggestion
from ecomgpt.common.hashing import digest
from ecomgpt.common.text import folded, holds_chinese
from ecomgpt.sources.dataset import Dataset
from ecomgpt.sources.records import Record


@dataclass(slots=True)
class Item:
    """Rows of a file that belong together: they became records, were dropped for a reason, or are malformed.

    Attributes:
        line: Where it begins, from 1.
        records: What it became.
        rows: How many rows of the file it stands for.
        dropped: The reason why it became nothing, by the declaration or the format's own rules.
        bad: What is wrong with it, where it is malformed.
        notes: Parts that were left out of kept rows, by reason, such as attribute values "n/a".
    """

    line: int
    records: tuple[Record, ...] = ()
    rows: int = 1
    dropped: str = ""
    bad: str = ""
    notes: dict[str, int] = field(default_factory=dict)


class Malformed(Exception):
    """A row is not as its format or its declaration says; the message says what is wrong."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a dataset, as readers see it."""

    dataset: Dataset
    path: Path
    split: str
    name: str
    """The file below the dataset's folder, the stable part of ids."""

    def option(self, name: str, default: Any = None) -> Any:
        return self.dataset.options.get(name, default)

    def language(self, text: str) -> str:
        """The text's language: the dataset's, or by script where it holds several."""
        if self.dataset.language != "mul":
            return self.dataset.language
        return "zh" if holds_chinese(text) else "en"

    def head(self, number: int | str, group: str, language: str, kind: str = "") -> dict[str, Any]:
        """The fields that all records share. ``kind`` keeps the ids of several records of one row apart."""
        name = f"{self.name}:{number}" + (f"/{kind}" if kind else "")
        return {"id": name, "group": group_of(group), "language": language, "split": self.split}

    def label(self, axis: str, raw: object, language: str) -> str:
        """The label shown for a label in the file; as it stands where the dataset declares none for the axis.

        Raises:
            Malformed: If the dataset declares the axis's labels and this is none of them.
        """
        names, text = self.dataset.names(axis, language), label_text(raw)
        if not names:
            return text
        if text not in names:
            raise Malformed(f"the {axis} '{text[:60]}' is none of its labels{suggestion(text, list(names))}")
        return names[text]


def label_text(raw: object) -> str:
    """A label as the declaration spells it: 1, 1.0 and "1" are the same, and true is "True"."""
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    return str(raw).strip()


_NOISE = re.compile(r"[\ufeff\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
"""Byte order marks and control characters (C0 and C1 without white space, DEL): nothing that a person wrote."""


def clean(text: str) -> str:
    """The text without byte order marks, control characters and surrounding white space; the rest stays as it is."""
    return _NOISE.sub("", text).strip()


def spoiled(text: str) -> bool:
    """Whether characters were lost on the text's way here: the replacement character, or control characters."""
    return "\ufffd" in text or _NOISE.search(text) is not None


_BACKSLASHED = re.compile(r"""\\+(?:([nrt])|(["'/]))""")


def unescaped(text: str, forms: Iterable[str]) -> str:
    r"""The text with the escapes of another format written out.

    Args:
        text: A cell.
        forms: ``html`` (``&#39;`` for an apostrophe), ``backslash`` (a literal ``\n`` is a line end, ``\"`` a quotation
            mark).

    >>> unescaped("Men&#39;s 36\\\\\" belt", ["html", "backslash"])
    'Men\'s 36" belt'
    """
    if "backslash" in forms:
        text = _BACKSLASHED.sub(lambda found: "\n" if found.group(1) else found.group(2), text)
    return html.unescape(text) if "html" in forms else text


def normal(text: str) -> str:
    """The form under which two texts count as the same: folded, without white space."""
    return "".join(folded(text).split())


def group_of(text: str) -> str:
    """A short stable name for all texts that count as the same."""
    return digest(normal(text))


def joined(pairs: Iterable[tuple[str, str]], language: str) -> str:
    """Attributes as one line of text: ``color: red; size: L``, with Chinese punctuation in Chinese."""
    colon, stop = ("：", "；") if language == "zh" else (": ", "; ")
    return stop.join(f"{name}{colon}{value}" for name, value in pairs)
