"""JSON Lines, and JSON files that hold one long list: read element by element, in bounded memory."""

import json
from collections.abc import Iterator
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.sources.readers.cells import Row
from ecomgpt.sources.readers.item import Item, Source
from ecomgpt.sources.readers.lines import MAX_LINE, open_bytes, read_lines
from ecomgpt.sources.readers.rows import OPTIONS as ROW_OPTIONS
from ecomgpt.sources.readers.rows import items

OPTIONS: dict[str, str] = {**ROW_OPTIONS}
CHUNK = 2**16


def read_jsonl(source: Source) -> Iterator[Item]:
    """Reads a file with one JSON object a line."""
    return items(source, _lines(source))


def read_json(source: Source) -> Iterator[Item]:
    """Reads a file that holds a JSON list of objects; rows are numbered by their line."""
    return items(source, _elements(source))


def _lines(source: Source) -> Iterator[Row]:
    for line in read_lines(source.path, source.option("encoding", "utf-8")):
        if line.bad:
            yield Row(line.number, bad=line.bad)
        elif line.text.strip():
            try:
                yield _row(line.number, json.loads(line.text), line.text)
            except json.JSONDecodeError as error:
                yield Row(line.number, bad=f"broken JSON: {error.msg} (column {error.colno})")
            except RecursionError:
                yield Row(line.number, bad="broken JSON: nested too deeply")


def _row(line: int, value: Any, text: str) -> Row:
    if not isinstance(value, dict):
        return Row(line, bad=f"holds {_kind(value)}, expected a JSON object")
    if "\\ud" in text.lower():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return Row(line, bad="holds half of a character (a lone surrogate such as \\ud83d)")
    return Row(line, value)


def _kind(value: Any) -> str:
    return {list: "a list", str: "text", bool: "true or false", type(None): "null"}.get(type(value), "a number")


def _elements(source: Source) -> Iterator[Row]:
    """The list's elements. A broken list ends the reading: where the next element begins can't be known."""
    decoder, buffer, line, begun = json.JSONDecoder(), "", 1, False
    chunks = _chunks(source)
    ended = False
    while True:
        # The text before an element: white space, the list's bracket, commas.
        stripped = buffer.lstrip(" \t\r\n," if begun else " \t\r\n")
        line += buffer.count("\n", 0, len(buffer) - len(stripped))
        buffer = stripped
        if not begun and buffer:
            if buffer[0] != "[":
                raise UserError(f"{source.path}:{line}: expected a JSON list, found {buffer[0]!r}")
            buffer, begun = buffer[1:], True
            continue
        if begun and buffer.startswith("]"):
            return
        if buffer:
            try:
                value, end = decoder.raw_decode(buffer)
            except (json.JSONDecodeError, RecursionError) as error:
                if ended or len(buffer) > MAX_LINE:
                    raise _broken(source, line, buffer, error, ended) from error
            else:
                # A number at the buffer's end may go on in the next chunk; objects and lists end themselves.
                if end < len(buffer) or ended:
                    yield _row(line, value, buffer[:end])
                    line += buffer.count("\n", 0, end)
                    buffer = buffer[end:]
                    continue
        if ended:
            raise UserError(
                f"{source.path}:{line}: " + ("the JSON list is cut off before its ']'" if begun else "is empty")
            )
        # Doubling keeps the work of decoding a long element again and again linear.
        more = next(chunks, "")
        while more and len(more) < len(buffer):
            extra = next(chunks, "")
            if not extra:
                break
            more += extra
        ended = not more
        buffer += more


def _chunks(source: Source) -> Iterator[str]:
    import codecs

    encoding = source.option("encoding", "utf-8")
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
    line = 1
    with open_bytes(source.path) as file:
        while raw := file.read(CHUNK):
            if b"\0" in raw:
                line += raw.count(b"\n", 0, raw.index(b"\0"))
                raise UserError(f"{source.path}:{line}: holds NUL bytes: this is binary or UTF-16, not plain text")
            try:
                yield decoder.decode(raw)
            except UnicodeDecodeError as error:
                raise UserError(f"{source.path}:{line + raw.count(10, 0, error.start)}: is not {encoding}") from error
            line += raw.count(b"\n")


def _broken(source: Source, line: int, buffer: str, error: Exception, ended: bool) -> UserError:
    if isinstance(error, json.JSONDecodeError):
        at = line + buffer.count("\n", 0, error.pos)
        what = "the JSON is cut off" if ended and error.pos >= len(buffer.rstrip()) else f"broken JSON: {error.msg}"
        return UserError(f"{source.path}:{at}: {what}; the element begins in line {line}")
    return UserError(f"{source.path}:{line}: broken JSON: nested too deeply")
