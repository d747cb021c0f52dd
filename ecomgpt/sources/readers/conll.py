"""CoNLL files: a token and its BIO tag a line, a blank line between sentences."""

from collections.abc import Iterator

from ecomgpt.sources.readers.item import Item, Malformed, Source
from ecomgpt.sources.readers.lines import read_lines
from ecomgpt.sources.records import Entity, EntityText

OPTIONS: dict[str, str] = {
    "separator": "what separates the columns (any white space)",
    "token": "the token's column, from 0 (0)",
    "tag": "the tag's column, from 0, negative from the end (-1)",
    "joiner": "what stands between tokens in the text: '' for characters, ' ' for words (' ', in Chinese '')",
}


def read_conll(source: Source) -> Iterator[Item]:
    """Reads a CoNLL file; a row is a sentence. One malformed line spoils its sentence alone."""
    tokens: list[tuple[str, str]] = []
    start, bad = 0, ""
    for line in read_lines(source.path, source.option("encoding", "utf-8")):
        if not line.bad and not line.text.strip():
            if start:
                yield _sentence(source, start, tokens, bad)
            tokens, start, bad = [], 0, ""
            continue
        start = start or line.number
        try:
            tokens.append(_token(source, line.text) if not line.bad else ("", ""))
            bad = bad or (f"line {line.number} {line.bad}" if line.bad else "")
        except Malformed as error:
            bad = bad or f"line {line.number} {error}"
    if start:
        yield _sentence(source, start, tokens, bad)


def _token(source: Source, text: str) -> tuple[str, str]:
    cells = text.split(source.option("separator"))
    token, tag = source.option("token", 0), source.option("tag", -1)
    needed = max(token, tag if tag >= 0 else 0, -tag - 1) + 1
    if len(cells) < max(needed, 2):
        raise Malformed(f"has {len(cells)} column(s): {text[:40]!r}")
    return cells[token], cells[tag].strip()


def _sentence(source: Source, start: int, tokens: list[tuple[str, str]], bad: str) -> Item:
    if bad:
        return Item(start, bad=bad)
    language = source.language("".join(token for token, _ in tokens))
    joiner = source.option("joiner", "" if language == "zh" else " ")
    try:
        text, entities = spans(source, tokens, joiner, language)
    except Malformed as error:
        return Item(start, bad=str(error))
    return Item(start, (EntityText(**source.head(start, text, language), text=text, entities=entities),))


def spans(source: Source, tokens: list[tuple[str, str]], joiner: str, language: str) -> tuple[str, tuple[Entity, ...]]:
    """The text and its entities.

    ``I-X`` without a ``B-X`` or ``I-X`` before it begins an entity, as the original CoNLL scorer reads it.

    Raises:
        Malformed: For a tag that is neither O, B-type nor I-type.
    """
    text, found, open_type, begun, end = "", [], "", 0, 0
    for token, tag in [*tokens, ("", "O")]:
        mark, _, kind = tag.partition("-")
        if mark not in ("O", "B", "I") or (mark == "O") == bool(kind):
            raise Malformed(f"the tag '{tag[:40]}' is not O, B-type or I-type")
        if open_type and not (mark == "I" and kind == open_type):
            found.append(Entity(source.label("entity", open_type, language), begun, end, text[begun:end]))
            open_type = ""
        text += joiner if text and token else ""
        if mark != "O" and not open_type:
            open_type, begun = kind, len(text)
        text += token
        end = len(text)
    return text, tuple(found)
