"""Retrieval collections as in TREC: judgements (qrels) that name a query and a passage, each in a file of its own."""

from collections.abc import Iterator
from pathlib import Path

from ecomgpt.common.errors import UserError
from ecomgpt.sources.readers.item import Item, Malformed, SourceFile, clean
from ecomgpt.sources.readers.lines import Line, read_lines
from ecomgpt.sources.records import Search

OPTIONS: dict[str, str] = {
    "corpus": "the passages' file beside the judgements: id<TAB>text (corpus.tsv)",
    "queries": "the queries' file for each file of judgements: {qrels.train.tsv: train.query.txt}",
}


def read_retrieval(source: SourceFile) -> Iterator[Item]:
    """Reads ``query id<TAB>0<TAB>passage id<TAB>relevance`` lines; a row is a judgement, a record a query.

    Queries and judged passages are held in memory, the rest of the corpus is not.
    """
    judged: dict[str, list[tuple[int, str, str]]] = {}
    bad: list[Item] = []
    for line in read_lines(source.path):
        if line.bad or line.text.strip():
            try:
                query, _, passage, relevance = _cells(line, 4)
                judged.setdefault(query, []).append((line.number, passage, relevance))
            except Malformed as error:
                bad.append(Item(line.number, bad=str(error)))
    yield from bad
    folder = source.path.parent
    named = source.option("queries", {}).get(source.path.name)
    if named is None:
        raise UserError(f"{source.dataset.path}: options.queries names no file for '{source.path.name}'")
    queries = _texts(folder / named, set(judged))
    passages = _texts(
        folder / source.option("corpus", "corpus.tsv"), {passage for rows in judged.values() for _, passage, _ in rows}
    )
    for query, rows in judged.items():
        yield from _search(source, query, rows, queries, passages)


def _cells(line: Line, count: int) -> list[str]:
    if line.bad:
        raise Malformed(line.bad)
    cells = line.text.split("\t", count - 1)
    if len(cells) != count:
        raise Malformed(f"has {len(cells)} tab-separated cells, expected {count}")
    return [clean(cell) for cell in cells]


def _texts(path: Path, wanted: set[str]) -> dict[str, str]:
    """The texts of the wanted ids."""
    found: dict[str, str] = {}
    for line in read_lines(path):
        try:
            name, text = _cells(line, 2)
        except Malformed as error:
            raise UserError(f"{path}:{line.number}: {error}") from error
        if name in wanted:
            found[name] = text
    return found


def _search(
    source: SourceFile, query: str, rows: list[tuple[int, str, str]], queries: dict[str, str], passages: dict[str, str]
) -> Iterator[Item]:
    if query not in queries:
        yield Item(rows[0][0], rows=len(rows), bad=f"the query '{query}' is not among the queries")
        return
    text, results = queries[query], []
    language = source.language(text)
    for number, passage, relevance in rows:
        if passage not in passages:
            yield Item(number, bad=f"the passage '{passage}' is not in the corpus")
            continue
        try:
            results.append((passages[passage], source.label("relevance", relevance, language)))
        except Malformed as error:
            yield Item(number, bad=str(error))
    if results:
        record = Search(**source.head(rows[0][0], text, language), query=text, results=tuple(dict.fromkeys(results)))
        yield Item(rows[0][0], (record,), rows=len(results))
