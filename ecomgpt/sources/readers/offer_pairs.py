"""Pairs of offers for matching: Ditto's ``COL name VAL value`` lines, DeepMatcher's tables with left_ and right_."""

import html
import re
from collections.abc import Iterator

from ecomgpt.common.errors import UserError
from ecomgpt.sources.readers.cells import RawRow
from ecomgpt.sources.readers.item import Item, Malformed, SourceFile, clean, joined
from ecomgpt.sources.readers.lines import read_lines
from ecomgpt.sources.records import TextPair

OPTIONS: dict[str, str] = {
    "names": "column in the file to the name shown",
    "web_text": 'true removes language tags ("..."@en) and stray quotation marks (false)',
    "delimiter": "DeepMatcher: what separates the cells (,)",
    "header": "DeepMatcher: the columns' names, for files that do not begin with them",
    "quotes": "DeepMatcher: false where quotation marks are plain text (true)",
}

_COLUMN = re.compile(r"(?:^|\s)COL (\S+) VAL(?:\s|$)")
_TAG = re.compile(r'"\s*@[a-zA-Z]{2,3}(-[a-zA-Z]{2,4})?(?![a-zA-Z])')
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>")
_QUOTE = re.compile(r'(?<!\d)"|"(?=\w)')
"""Quotation marks, but for one behind a number, which means inches."""


def read_ditto(source: SourceFile) -> Iterator[Item]:
    """Reads ``left<TAB>right<TAB>label`` lines."""
    for line in read_lines(source.path, source.option("encoding", "utf-8")):
        if line.bad:
            yield Item(line.number, bad=line.bad)
        elif line.text.strip():
            cells = line.text.split("\t")
            if len(cells) != 3:
                yield Item(line.number, bad=f"has {len(cells)} tab-separated parts, expected left, right and label")
                continue
            try:
                yield _pair(source, line.number, columns(cells[0]), columns(cells[1]), cells[2])
            except Malformed as error:
                yield Item(line.number, bad=str(error))


def read_deepmatcher(source: SourceFile) -> Iterator[Item]:
    """Reads a table with the columns ``left_*``, ``right_*`` (or ``ltable_*``, ``rtable_*``) and ``label``."""
    from ecomgpt.sources.readers.delimited import table_rows

    for row in table_rows(source):
        if row.bad:
            yield Item(row.line, rows=row.rows, bad=row.bad)
            continue
        left, right = (_side_columns(source, row, names) for names in (("left_", "ltable_"), ("right_", "rtable_")))
        if not left or not right or "label" not in row.values:
            raise UserError(
                f"{source.path}:1: needs columns that begin with left_ and right_, and 'label'; "
                f"has {', '.join(row.values)}"
            )
        try:
            yield _pair(source, row.line, left, right, row.values["label"])
        except Malformed as error:
            yield Item(row.line, bad=str(error))


def _side_columns(source: SourceFile, row: RawRow, prefixes: tuple[str, ...]) -> list[tuple[str, str]]:
    return [
        (column.removeprefix(prefix), str(value))
        for column, value in row.values.items()
        for prefix in prefixes
        if column.startswith(prefix) and column.removeprefix(prefix) != "id"
    ]


def columns(text: str) -> list[tuple[str, str]]:
    """The (column, value) pairs of one side, empty values included.

    >>> columns("COL title VAL red shoe COL price VAL ")
    [('title', 'red shoe'), ('price', '')]

    Raises:
        Malformed: If it does not begin with ``COL name VAL``.
    """
    parts = _COLUMN.split(text)
    if len(parts) < 3 or parts[0].strip():
        raise Malformed(f"{text[:40]!r} does not begin with 'COL name VAL'")
    return [(name, value.strip()) for name, value in zip(parts[1::2], parts[2::2], strict=True)]


def web_text(text: str) -> str:
    """The text without markup, language tags and stray quotation marks.

    >>> web_text('"Red shoe"@en-US, "size 8"@en 24" wide')
    'Red shoe, size 8 24" wide'
    """
    return " ".join(_QUOTE.sub("", _TAG.sub("", _MARKUP.sub(" ", html.unescape(text)))).split())


def _pair(source: SourceFile, line: int, left: list[tuple[str, str]], right: list[tuple[str, str]], label: str) -> Item:
    texts = []
    names, fix = source.option("names", {}), web_text if source.option("web_text") else clean
    for side in (left, right):
        filled = [(names.get(name, name), fixed) for name, value in side if (fixed := fix(value))]
        # A single column needs no name; of several, the names say what is what.
        several = len(side) > 1
        texts.append(joined(filled, source.dataset.language) if several else "".join(value for _, value in filled))
    if not texts[0] or not texts[1]:
        return Item(line, dropped="empty text")
    language = source.language(texts[0])
    # The same offer counts as the same wherever its values stand ("dirty" copies move them between columns).
    words = sorted(word for _, value in left for word in value.lower().split())
    relation = source.label("relation", label, language)
    head = source.head(line, " ".join(words), language)
    return Item(line, (TextPair(**head, left=texts[0], right=texts[1], relation=relation),))
