"""Kinds that gather adjacent rows: a search from its query's products, a dialogue from its lines."""

from collections.abc import Iterable, Iterator

from ecomgpt.sources.readers.cells import LOCALES, Cells, RawRow, declared_drop
from ecomgpt.sources.readers.item import Item, Malformed, SourceFile
from ecomgpt.sources.records import Dialogue, Search, Turn

GATHER = {"Search": "query", "Dialogue": "dialogue"}
"""The kinds, with the field whose equal neighbours belong together."""


def gathered(source: SourceFile, rows: Iterable[RawRow]) -> Iterator[Item]:
    """One item for each run of rows with the same key; only one run is held in memory."""
    kind = source.dataset.records[0]
    run: list[Cells] = []
    key = ""
    for row in rows:
        if row.bad:
            yield Item(row.line, rows=row.rows, bad=row.bad)
            continue
        reason = declared_drop(source, row)
        if reason:
            yield Item(row.line, dropped=reason)
            continue
        cells = Cells(source, row)
        try:
            here = cells.text(GATHER[kind])
        except Malformed as error:
            yield Item(row.line, bad=str(error))
            continue
        if run and here != key:
            yield from _closed(source, kind, key, run)
            run = []
        key = here
        run.append(cells)
    if run:
        yield from _closed(source, kind, key, run)


def _closed(source: SourceFile, kind: str, key: str, run: list[Cells]) -> Iterator[Item]:
    good: list[tuple[str, str]] = []
    language = run[0].text("language")[:2] or source.language(key if kind == "Search" else run[0].text("text"))
    language = LOCALES.get(language, language)
    for cells in run:
        try:
            if kind == "Search":
                good.append((cells.text("title"), cells.source.label("relevance", cells.raw("relevance"), language)))
            else:
                good.append((cells.source.label("speaker", cells.raw("speaker"), language), cells.text("text")))
        except Malformed as error:
            yield Item(cells.row.line, bad=str(error))
    usable = [pair for pair in good if pair[0] and pair[1]]
    if len(usable) < len(good):
        yield Item(run[0].row.line, rows=len(good) - len(usable), dropped="empty text")
    if not usable:
        return
    first = run[0].row.line
    head = source.head(first, key, language)
    if kind == "Search":
        record: Search | Dialogue = Search(**head, query=key, results=tuple(dict.fromkeys(usable)))
    else:
        record = Dialogue(**head, turns=tuple(Turn(*said) for said in usable))
    yield Item(first, (record,), rows=len(usable))
