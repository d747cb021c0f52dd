"""JSON Lines, and JSON files that hold one list."""

import json
from collections.abc import Iterator
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.common.jsonl import DECODER, parse_json, whole_characters
from ecomgpt.sources.readers.cells import RawRow
from ecomgpt.sources.readers.item import Item, SourceFile
from ecomgpt.sources.readers.lines import open_bytes, read_lines
from ecomgpt.sources.readers.rows import OPTIONS as ROW_OPTIONS
from ecomgpt.sources.readers.rows import items

OPTIONS: dict[str, str] = {**ROW_OPTIONS}
MAX_LIST = 64 * 2**20
"""Bytes that a file with one JSON list may hold: it is read at once."""
_BETWEEN = tuple(" \t\r\n,")


def read_jsonl(source: SourceFile) -> Iterator[Item]:
    """Reads a file with one JSON object per line."""
    return items(source, _lines(source))


def read_json(source: SourceFile) -> Iterator[Item]:
    """Reads a file that holds a JSON list of objects; rows are numbered by their line."""
    return items(source, _elements(source))


def _lines(source: SourceFile) -> Iterator[RawRow]:
    for line in read_lines(source.path, source.option("encoding", "utf-8")):
        if line.bad:
            yield RawRow(line.number, bad=line.bad)
        elif line.text.strip():
            try:
                yield _row(line.number, parse_json(line.text))
            except ValueError as error:
                yield RawRow(line.number, bad=str(error))


def _row(line: int, value: Any) -> RawRow:
    if not isinstance(value, dict):
        return RawRow(line, bad=f"holds {_kind(value)}, expected a JSON object")
    return RawRow(line, value)


def _kind(value: Any) -> str:
    return {list: "a list", str: "text", bool: "true or false", type(None): "null"}.get(type(value), "a number")


def _elements(source: SourceFile) -> Iterator[RawRow]:
    """The list's elements. A broken list ends the reading: where the next element begins can't be known."""
    text = _whole_text(source)
    at = len(text) - len(text.lstrip())
    if at == len(text):
        raise UserError(f"{source.path}:1: is empty")
    if text[at] != "[":
        raise UserError(f"{source.path}:{_line(text, at)}: expected a JSON list, found {text[at]!r}")
    line, end = 1, 0
    at += 1
    while True:
        while text[at : at + 1] in _BETWEEN:
            at += 1
        line += text.count("\n", end, at)
        if at >= len(text):
            raise UserError(f"{source.path}:{line}: the JSON list is cut off before its ']'")
        if text[at] == "]":
            return
        try:
            value, end = DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            what = "the JSON is cut off" if error.pos >= len(text.rstrip()) else f"broken JSON: {error.msg}"
            where = f"{source.path}:{_line(text, error.pos)}"
            raise UserError(f"{where}: {what}; the element begins in line {line}") from error
        except RecursionError as error:
            raise UserError(f"{source.path}:{line}: broken JSON: nested too deeply") from error
        except ValueError as error:
            raise UserError(f"{source.path}:{line}: broken JSON: {error}") from error
        try:
            yield _row(line, whole_characters(value, text[at:end]))
        except ValueError as error:
            yield RawRow(line, bad=str(error))
        line += text.count("\n", at, end)
        at = end


def _whole_text(source: SourceFile) -> str:
    encoding = source.option("encoding", "utf-8")
    with open_bytes(source.path) as file:
        raw = file.read(MAX_LIST + 1)
    if len(raw) > MAX_LIST:
        raise UserError(
            f"{source.path}:1: is longer than {MAX_LIST / 2**20:g} MB; write it as JSON Lines, one object per line"
        )
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise UserError(f"{source.path}:{line}: holds NUL bytes: this is binary or UTF-16, not plain text")
    try:
        return raw.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(f"{source.path}:{line}: is not {encoding}") from error


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
