"""Rows (column to value) become records: the part that CSV, JSON, parquet and the hub have in common.

A dataset's ``columns`` say which column fills which field. What a row becomes is decided by the dataset's ``records``;
a row may become several (a product, and its title as a text with marked values).
"""

from collections.abc import Callable, Iterable, Iterator

from ecomgpt.common.errors import UserError, suggestion
from ecomgpt.sources.readers.cells import Cells, RawRow, declared_drop
from ecomgpt.sources.readers.gather import GATHER, gathered
from ecomgpt.sources.readers.item import Item, Malformed, SourceFile
from ecomgpt.sources.readers.kinds import MAKERS
from ecomgpt.sources.records import Record

OPTIONS: dict[str, str] = {
    "drop": "column to {value: reason}: rows to leave out",
    "keep": "column to the values to keep; other rows are left out",
    "unescape": "escapes to write out: html (&#39;), backslash (a literal \\n)",
    "drop_marks": "text to reason: rows to leave out where any cell holds the text",
    "optional": "fields whose column a row may lack",
    "absent": "values that mean 'there is none', such as n/a or -2",
    "attributes": "how they are written, as {form: ..., item: '*', pair: '#'}; see readers/attributes.py",
    "multi": "axis to the separator of its several labels; '' for a list",
    "extract": "field to a pattern whose first group is used in place of the cell",
    "template": "words that paraphrases of one template share freely; texts group by the others",
    "span": "true where 'answers' holds character offsets into the context, such as \"(3, 9)\"",
    "marker": "text at the context's end that stands for 'no answer'; answers inside it mean that there is none",
    "min_score": "labels given as [name, score] count from this score on (0)",
    "pseudo_json_context": "true writes contexts that are attributes in pseudo-JSON as plain text",
    "inline_tags": "true where entities are tagged inside the text: <color>red</color> shoe",
    "paragraphs": "true where entities name a paragraph of a list of texts",
}


def known_columns(source: SourceFile, header: Iterable[str], line: int) -> None:
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


def items(source: SourceFile, rows: Iterable[RawRow]) -> Iterator[Item]:
    """The rows' records, or why there are none. Kinds that gather rows (dialogues, searches) do so by adjacency."""
    kinds = source.dataset.records
    if any(kind in GATHER for kind in kinds) and source.dataset.columns.get("turns") is None:
        yield from gathered(source, rows)
        return
    builders: list[Callable[[Cells, str], Record | str]] = [MAKERS[kind] for kind in kinds]
    for row in rows:
        if row.bad:
            yield Item(row.line, rows=row.rows, bad=row.bad)
            continue
        try:
            yield _item(source, row, builders)
        except Malformed as error:
            yield Item(row.line, bad=str(error))


def _item(source: SourceFile, row: RawRow, builders: list[Callable[[Cells, str], Record | str]]) -> Item:
    if reason := declared_drop(source, row):
        return Item(row.line, dropped=reason)
    cells = Cells(source, row)
    built = [builder(cells, source.dataset.records[at] if at else "") for at, builder in enumerate(builders)]
    records = tuple(one for one in built if isinstance(one, Record))
    return Item(row.line, records, notes=cells.notes) if records else Item(row.line, dropped=str(built[0]))
