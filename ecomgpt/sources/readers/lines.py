"""Lines of text files, read without trust: bounded, decoded strictly, split at line feeds only."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ecomgpt.common.errors import UserError

MAX_LINE = 10 * 2**20
"""Bytes that a line may hold. No row of product text is longer; a file without line ends is."""


@dataclass(slots=True)
class Line:
    """A line without its end; ``bad`` says what is wrong with it."""

    number: int
    text: str
    bad: str = ""


def read_lines(path: Path, encoding: str = "utf-8", max_line: int = MAX_LINE) -> Iterator[Line]:
    r"""The file's lines, without a BOM, without ``\r`` at their end.

    Splits at ``\n`` alone: U+2028 and others occur inside product text.

    Raises:
        UserError: If the file can't be read, or a line is longer than ``max_line`` bytes.
    """
    with open_bytes(path) as file:
        number = 0
        while raw := file.readline(max_line + 1):
            number += 1
            if len(raw) > max_line:
                raise UserError(
                    f"{path}:{number}: the line is longer than {max_line / 2**20:g} MB; is this the right file? "
                    "Its format has one row per line"
                )
            if number == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            yield decoded(number, raw.removesuffix(b"\n").removesuffix(b"\r"), encoding)


def decoded(number: int, raw: bytes, encoding: str) -> Line:
    """The line as text, or what keeps it from being text."""
    if b"\0" in raw:
        return Line(number, "", "holds NUL bytes: this is binary or UTF-16, not plain text")
    try:
        return Line(number, raw.decode(encoding))
    except UnicodeDecodeError as error:
        return Line(number, "", f"is not {encoding} (byte 0x{raw[error.start]:02x} at position {error.start + 1})")


def open_bytes(path: Path) -> BinaryIO:
    """The file for reading.

    Raises:
        UserError: If the system refuses.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
