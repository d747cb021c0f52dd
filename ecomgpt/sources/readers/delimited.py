"""CSV and tab-separated files: with or without a header, with quoted line feeds, split at line feeds only."""

import csv
from collections.abc import Iterator

from ecomgpt.sources.readers.cells import RawRow
from ecomgpt.sources.readers.item import Item, SourceFile
from ecomgpt.sources.readers.lines import read_lines
from ecomgpt.sources.readers.rows import OPTIONS as ROW_OPTIONS
from ecomgpt.sources.readers.rows import items, known_columns

OPTIONS: dict[str, str] = {
    **ROW_OPTIONS,
    "delimiter": "what separates the cells (,)",
    "header": "the columns' names, for files that do not begin with them",
    "quotes": "false where quotation marks are plain text (true)",
}


def read_csv(source: SourceFile) -> Iterator[Item]:
    """Reads a CSV file. Files named .csv that hold tabs need ``delimiter: "\\t"``."""
    return items(source, table_rows(source))


class _Feed:
    """Hands lines to `csv.reader`; a line that is no text raises, and the next call goes on behind it."""

    def __init__(self, source: SourceFile) -> None:
        self.lines = read_lines(source.path, source.option("encoding", "utf-8"))
        self.number = 0

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.number = line.number
        if line.bad:
            raise _BadLine(line.bad)
        return line.text + "\n"


class _BadLine(Exception):
    pass


def table_rows(source: SourceFile) -> Iterator[RawRow]:
    """The file's rows as column to cell.

    Raises:
        UserError: If the header lacks a column that the dataset declares.
    """
    feed = _Feed(source)
    delimiter, quotes = source.option("delimiter", ","), source.option("quotes", True)
    rows = csv.reader(feed, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE, strict=True)
    header: list[str] | None = source.option("header")
    while True:
        start = feed.number + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except (_BadLine, csv.Error) as error:
            lines = feed.number - start + 1
            # A quotation mark that is never closed swallows the rows behind it: they count as bad rows too.
            within = f" (lines {start} to {feed.number}, from an opened quotation mark)" if lines > 1 else ""
            yield RawRow(start, bad=f"{error}{within}", rows=max(1, lines))
            continue
        if not cells:
            continue
        if header is None:
            header = [name.strip() for name in cells]
            known_columns(source, header, start)
            continue
        if len(cells) != len(header):
            yield RawRow(start, bad=f"has {len(cells)} cells, but there are {len(header)} columns")
            continue
        yield RawRow(start, dict(zip(header, cells, strict=True)))
