"""JSON Lines that only grow and survive a crash: a line is whole, or it is torn and told apart."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ecomgpt.common.hashing import value_hash


def encode_line(value: Any) -> bytes:
    """One object as a line of UTF-8; lone surrogates, which UTF-8 can't hold, are written as escapes."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(value).encode() + b"\n"


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


DECODER = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite)
"""Reads JSON of others: ``NaN`` and ``Infinity``, in which tables of numbers say that a cell is empty, become null."""


def parse_json(text: str | bytes) -> Any:
    """A JSON value of others' making, with all guards: every way in which it can be none is a `ValueError`.

    Raises:
        ValueError: With a sentence: broken, not UTF-8, nested too deeply, a number without end, half of a character.
    """
    try:
        text = text if isinstance(text, str) else text.decode("utf-8-sig")
        return whole_characters(DECODER.decode(text), text)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise ValueError(f"broken JSON: {error.msg} ({line}column {error.colno})") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (byte 0x{error.object[error.start]:02x})") from None
    except RecursionError:
        raise ValueError("broken JSON: nested too deeply") from None


def whole_characters(value: Any, text: str) -> Any:
    """The value that was read from ``text``.

    Raises:
        ValueError: If it holds a lone surrogate, which no file of text can hold.
    """
    if "\\ud" in text.lower():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("holds half of a character (a lone surrogate such as \\ud83d)") from None
    return value


def checked(value: Mapping[str, Any]) -> dict[str, Any]:
    """The object with a checksum of its contents, by which `intact` knows it again."""
    return {**value, "check": _check(value)}


def intact(value: Mapping[str, Any]) -> bool:
    """False where a line says something else than was written; lines without a checksum count as whole."""
    return "check" not in value or value["check"] == _check(value)


def _check(value: Mapping[str, Any]) -> str:
    return value_hash({key: one for key, one in value.items() if key != "check"})


def append_line(path: Path, value: Any, *, sync: bool = False) -> int:
    """Appends one object; what a crash has torn before it stays a line of its own.

    Args:
        path: The file; made, with its folder, if need be.
        value: The object.
        sync: Wait until the disk has it.

    Returns:
        Where the line begins in the file.
    """
    line = encode_line(value)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        size = file.seek(0, os.SEEK_END)
        torn = size and os.pread(file.fileno(), 1, size - 1) != b"\n"
        file.write((b"\n" if torn else b"") + line)
        file.flush()
        if sync:
            os.fsync(file.fileno())
        return file.tell() - len(line)


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers from 1; none where the file is absent."""
    if path.is_file():
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line


def drop_torn_line(path: Path) -> None:
    """Cuts off what follows the last line feed, so that appending goes on behind a whole line."""
    if path.is_file():
        written = path.read_bytes()
        whole = written.rfind(b"\n") + 1
        if whole != len(written):
            os.truncate(path, whole)
