"""Rows (column to value) become records: the part that CSV, JSON, parquet and the hub have in common.

A dataset's ``columns`` say which column fills which field. What a row becomes is decided by the dataset's ``records``; a row
may become several (a product, and its title as a text with marked values).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ecomgpt.errors import UserError, suggestion
from ecomgpt.sources.readers.item import Item, Malformed, Source, clean, label_text

OPTIONS: dict[str, str] = {
    "drop": "column to {value: reason}: rows to leave out",
    "keep": "column to the values to keep; other rows are left out",
    "drop_marks": "text to reason: rows to leave out where any cell holds the text",
    "optional": "fields whose column a row may lack",
    "absent": "values that mean 'there is none', such as n/a or -2",
    "attributes": "how attributes are written: {form: scores | mapping | pairs | pseudo_json | name_value, item: '*', pair: '#'}",
    "multi": "axis to the separator of its several labels; '' for a list",
    "extract": "field to a pattern whose first group is used in place of the cell",
    "template": "words that paraphrases of one template share freely; texts group by the others",
    "open": "axes whose labels may go beyond the declared ones",
    "span": "true where 'answers' holds character offsets into the context, such as \"(3, 9)\"",
    "marker": "text at the context's end that stands for 'no answer'; answers inside it mean that there is none",
    "min_score": "labels given as [name, score] count from this score on (0)",
    "pseudo_json_context": "true writes contexts that are attributes in pseudo-JSON as plain text",
    "inline_tags": "true where entities are tagged inside the text: <color>red</color> shoe",
    "paragraphs": "true where entities name a paragraph of a list of texts",
}


@dataclass(slots=True)
class Row:
    """A row with its place; ``bad`` says what is wrong with it, ``rows`` how many lines that spoiled."""

    line: int
    values: dict[str, Any] = field(default_factory=dict)
    bad: str = ""
    rows: int = 1


class Cells:
    """A row's values by the fields of the record."""

    def __init__(self, source: Source, row: Row) -> None:
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
        return "" if value is None else clean(str(value))

    def note(self, reason: str, count: int = 1) -> None:
        self.notes[reason] = self.notes.get(reason, 0) + count


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


def known_columns(source: Source, header: Iterable[str], line: int) -> None:
    """Compares a table's header with the declaration.

    Raises:
        UserError: With every declared column that the table lacks, and the nearest that it has.
    """
    have, optional = list(header), source.option("optional", ())
    wanted = {column: name for name, column in source.dataset.columns.items() if name not in optional}
    problems = [
        f"{source.path}:{line}: there is no column '{column}' (for '{name}'){suggestion(column, have)}"
        for column, name in wanted.items()
        if column not in have and column.split(".")[0] not in have
    ]
    if problems:
        raise UserError(*problems)


def items(source: Source, rows: Iterable[Row]) -> Iterator[Item]:
    """The rows' records, or why there are none. Kinds that gather several rows (dialogues, searches) do so by adjacency."""
    from ecomgpt.sources.readers.gather import GATHER, gathered
    from ecomgpt.sources.readers.kinds import KINDS

    kinds = source.dataset.records
    if any(kind in GATHER for kind in kinds) and source.dataset.columns.get("turns") is None:
        yield from gathered(source, rows)
        return
    builders: list[Callable[[Cells, str], Any]] = [KINDS[kind] for kind in kinds]
    for row in rows:
        if row.bad:
            yield Item(row.line, rows=row.rows, bad=row.bad)
            continue
        try:
            yield _item(source, row, builders)
        except Malformed as error:
            yield Item(row.line, bad=str(error))


def _item(source: Source, row: Row, builders: list[Callable[[Cells, str], Any]]) -> Item:
    reason = declared_drop(source, row)
    if reason:
        return Item(row.line, dropped=reason)
    cells = Cells(source, row)
    records, reasons = [], []
    for place, builder in enumerate(builders):
        built = builder(cells, source.dataset.records[place] if place else "")
        (reasons if isinstance(built, str) else records).append(built)
    if not records:
        return Item(row.line, dropped=reasons[0])
    return Item(row.line, tuple(records), notes=cells.notes)


def declared_drop(source: Source, row: Row) -> str:
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
