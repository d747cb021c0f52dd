"""A row's values by the fields of the record: columns, labels and the head that every record has."""

import re
from dataclasses import dataclass, field
from typing import Any

from ecomgpt.common.errors import suggestion
from ecomgpt.sources.readers.item import Malformed, SourceFile, clean, label_text, unescaped

AXES = (
    *("sentiment", "category", "coarse_category", "intent", "rating", "subjectivity"),
    *("goal", "topic", "subject", "flow", "subflow"),
)
"""The axes on which texts, dialogues and turns carry labels."""

LOCALES = {"us": "en", "uk": "en", "cn": "zh"}
"""Markets that files name in place of a language."""


@dataclass(slots=True)
class RawRow:
    """A row with its place; ``bad`` says what is wrong with it, ``rows`` how many lines that spoiled."""

    line: int
    values: dict[str, Any] = field(default_factory=dict)
    bad: str = ""
    rows: int = 1


class Cells:
    """A row's values by the fields of the record."""

    def __init__(self, source: SourceFile, row: RawRow) -> None:
        self.source, self.row, self.columns = source, row, source.dataset.columns
        self.notes: dict[str, int] = {}

    def has(self, name: str) -> bool:
        return name in self.columns

    def raw(self, name: str) -> Any:
        """The value of a field, or None where it is optional and absent.

        Raises:
            Malformed: If the row lacks its column.
        """
        value = reach(self.row.values, self.columns[name], name in self.source.option("optional", ()))
        pattern = self.source.option("extract", {}).get(name)
        if pattern is None or value is None:
            return value
        found = re.search(pattern, str(value))
        if found is None:
            raise Malformed(f"'{self.columns[name]}' is {str(value)[:60]!r}, which does not match {pattern!r}")
        return found.group(1)

    def text(self, name: str) -> str:
        """The field as clean text; empty where the dataset does not declare it or the row holds none."""
        if name not in self.columns:
            return ""
        value = self.raw(name)
        if isinstance(value, list):
            value = "\n".join(str(one) for one in value)
        return "" if value is None else self.plain(str(value))

    def plain(self, text: str) -> str:
        """A cell as clean text, its escapes written out where the dataset declares that it has some."""
        forms = self.source.option("unescape", ())
        return clean(unescaped(text, forms) if forms else text)

    def note(self, reason: str, count: int = 1) -> None:
        self.notes[reason] = self.notes.get(reason, 0) + count

    def head(self, kind: str, text: str) -> dict[str, Any]:
        """The fields that all records share, for a record about this text; ``kind`` tells records of one row apart."""
        language = self.text("language") or self.source.language(text)
        if language not in ("en", "zh"):
            language = LOCALES.get(language[:2].lower(), language[:2].lower())
        number = self.text("id") or str(self.row.line)
        return self.source.head(number, self.text("group") or self.template(text), language, kind)

    def template(self, text: str) -> str:
        """What groups a text where no column does: itself, or what is left without its template's free words."""
        free = self.source.option("template")
        if not free:
            return text
        words = re.findall(r"[a-z0-9']+", re.sub(r"\d+", "0", text.lower()))
        stems = {re.sub(r"(ations?|ings?|ed|es|s|e)$", "", word) for word in words if word not in free}
        return " ".join(sorted(stems)) or text

    def labels(self, axis: str, value: Any, language: str) -> tuple[str, ...]:
        """The labels shown for a value on an axis: one, or several as the declaration's ``multi`` separates them."""
        multi = self.source.option("multi", {})
        values = [value]
        if isinstance(value, list):
            values = value
        elif axis in multi:
            values = [part for part in str(value).split(multi[axis]) if part.strip()]
        least, shown = self.source.option("min_score", 0), []
        for one in values:
            if isinstance(one, list) and len(one) == 2:
                one, score = one
                if _number(score, axis) < least:
                    self.note(f"{axis} below the score of {least:g}")
                    continue
            shown.append(self.source.label(axis, one, language))
        return tuple(dict.fromkeys(shown))

    def axes(self, language: str) -> dict[str, tuple[str, ...]]:
        """The labels on every axis that the dataset declares a column for and the row fills."""
        values = {axis: self.raw(axis) for axis in AXES if self.has(axis)}
        return {axis: self.labels(axis, value, language) for axis, value in values.items() if value is not None}


def _number(score: Any, axis: str) -> float:
    try:
        return float(score)
    except (TypeError, ValueError) as error:
        raise Malformed(f"the score {str(score)[:60]!r} of a label on '{axis}' is not a number") from error


def reach(values: Any, column: str, optional: bool = False) -> Any:
    """The value of a column; ``a.b`` is ``b`` inside ``a`` unless a column has that very name; numbers index lists."""
    if isinstance(values, dict) and column in values:
        return values[column]
    here = values
    for part in column.split("."):
        if isinstance(here, dict) and part in here:
            here = here[part]
        elif isinstance(here, list) and part.isdigit() and int(part) < len(here):
            here = here[int(part)]
        elif optional:
            return None
        else:
            known = suggestion(part, list(here)) if isinstance(here, dict) else ""
            raise Malformed(f"there is no '{column}'{known}")
    return here


def declared_drop(source: SourceFile, row: RawRow) -> str:
    """The reason for which the declaration leaves the row out, or nothing."""
    for column, reasons in source.option("drop", {}).items():
        value = label_text(reach(row.values, column, True))
        if value in reasons:
            return reasons[value]
    for column, values in source.option("keep", {}).items():
        if label_text(reach(row.values, column, True)) not in values:
            return f"'{column}' is none of those kept"
    for mark, reason in source.option("drop_marks", {}).items():
        if any(isinstance(value, str) and mark in value for value in row.values.values()):
            return reason
    return ""
