"""CoNLL files: a token and its BIO tag per line, a blank line between sentences."""

from collections.abc import Iterator

from ecomgpt.sources.readers.item import Item, Malformed, SourceFile
from ecomgpt.sources.readers.lines import read_lines
from ecomgpt.sources.records import Entity, EntityText

OPTIONS: dict[str, str] = {
    "separator": "what separates the columns (any white space)",
    "token": "the token's column, from 0 (0)",
    "tag": "the tag's column, from 0, negative from the end (-1)",
    "joiner": "what stands between tokens in the text: '' for characters, ' ' for words (' ', in Chinese '')",
}


def read_conll(source: SourceFile) -> Iterator[Item]:
    """Reads a CoNLL file; a row is a sentence. One malformed line spoils its sentence alone, and is named itself."""
    tokens: list[tuple[str, str]] = []
    start, bad = 0, (0, "")
    for line in read_lines(source.path, source.option("encoding", "utf-8")):
        if not line.bad and not line.text.strip():
            if start:
                yield _sentence(source, start, tokens, bad)
            tokens, start, bad = [], 0, (0, "")
            continue
        start = start or line.number
        try:
            if line.bad:
                raise Malformed(line.bad)
            tokens.append(_token(source, line.text))
        except Malformed as error:
            bad = bad if bad[0] else (line.number, str(error))
    if start:
        yield _sentence(source, start, tokens, bad)


def _token(source: SourceFile, text: str) -> tuple[str, str]:
    cells = text.split(source.option("separator"))
    token, tag = source.option("token", 0), source.option("tag", -1)
    needed = max(token, tag if tag >= 0 else 0, -tag - 1) + 1
    if len(cells) < max(needed, 2):
        raise Malformed(f"has {len(cells)} column(s): {text[:40]!r}")
    mark, _, kind = cells[tag].strip().partition("-")
    if mark not in ("O", "B", "I") or (mark == "O") == bool(kind):
        raise Malformed(f"the tag '{cells[tag].strip()[:40]}' is not O, B-type or I-type")
    if kind:
        source.label("entity", kind, "")  # Of an undeclared type, this line is to be named.
    return cells[token], cells[tag].strip()


def _sentence(source: SourceFile, start: int, tokens: list[tuple[str, str]], bad: tuple[int, str]) -> Item:
    if bad[0]:
        return Item(bad[0], bad=bad[1])
    language = source.language("".join(token for token, _ in tokens))
    joiner = source.option("joiner", "" if language == "zh" else " ")
    try:
        text, entities = spans(source, tokens, joiner, language)
    except Malformed as error:  # A type that is declared for another language only.
        return Item(start, bad=str(error))
    return Item(start, (EntityText(**source.head(start, text, language), text=text, entities=entities),))


def spans(
    source: SourceFile, tokens: list[tuple[str, str]], joiner: str, language: str
) -> tuple[str, tuple[Entity, ...]]:
    """The text and its entities.

    ``I-X`` without a ``B-X`` or ``I-X`` before it begins an entity, as the original CoNLL scorer reads it.
    """
    text, found, open_type, begun, end = "", [], "", 0, 0
    for token, tag in [*tokens, ("", "O")]:
        mark, _, kind = tag.partition("-")
        if open_type and not (mark == "I" and kind == open_type):
            found.append(Entity(source.label("entity", open_type, language), begun, end, text[begun:end]))
            open_type = ""
        text += joiner if text and token else ""
        if mark != "O" and not open_type:
            open_type, begun = kind, len(text)
        text += token
        end = len(text)
    return text, tuple(found)
