"""Hashes of names, values, files and code: the same on every machine and in every process, unlike Python's ``hash``.

Of code and declarations the hash is of what they say, not of how it is written: a comment, a docstring or a formatter
changes nothing.
"""

import ast
import functools
import json
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any


def digest(name: str | bytes, size: int = 8) -> str:
    """Hexadecimal BLAKE2b of a text (UTF-8, lone surrogates included) or of bytes.

    Args:
        name: What is hashed.
        size: Bytes of the hash; the text returned is twice as long.
    """
    return blake2b(_bytes(name), digest_size=size).hexdigest()


def number(name: str | bytes) -> int:
    """A whole number from 0 to below 2**64 that stands for the name, evenly spread: a seeded place or draw."""
    return int.from_bytes(blake2b(_bytes(name), digest_size=8).digest())


def fraction(name: str | bytes) -> float:
    """A name's fixed place from 0 to below 1, evenly spread."""
    return number(name) / 2**64


def value_hash(value: Any) -> str:
    """A short, stable name for plain data: what JSON can hold; other values count by their text."""
    return digest(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str), 12)


def file_hash(path: Path) -> str:
    """Hashes a file's bytes, or all files of a folder; the hash of what does not exist is empty."""
    if path.is_dir():
        files = [one for one in sorted(path.rglob("*")) if one.is_file()]
        return value_hash([(one.relative_to(path).as_posix(), file_hash(one)) for one in files])
    if not path.is_file():
        return ""
    result = blake2b(digest_size=12)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            result.update(chunk)
    return result.hexdigest()


def source_hash(path: Path) -> str:
    """Hashes what a file of code or settings says.

    Python counts by its syntax tree without docstrings, YAML and TOML by their values; a file that can't be parsed, or
    is of another kind, by its bytes.
    """
    stat = path.stat()
    return _source_hash(path, stat.st_mtime_ns, stat.st_size)


def code_hash(folder: Path, without: Sequence[str] = ()) -> str:
    """Hashes what a room's files of code and settings say.

    Args:
        folder: The room, searched at any depth.
        without: Files that don't count, by their path below ``folder``.
    """
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.suffix in _PARSERS}
    return value_hash([(name, source_hash(path)) for name, path in sorted(names.items()) if name not in without])


@functools.cache
def _source_hash(path: Path, changed: int, size: int) -> str:
    """As `source_hash`; time and size of the file make sure that a changed one is read again."""
    try:
        value = _PARSERS[path.suffix](path.read_bytes())
    except (KeyError, ValueError, SyntaxError, RecursionError):
        return file_hash(path)
    return digest(repr(value), 12)


def _python(source: bytes) -> list[str]:
    words: list[str] = []
    _spell(ast.parse(source), words)
    return words


def _spell(node: Any, words: list[str]) -> None:
    """Appends a syntax tree without bare strings (docstrings) and empty fields, which differ by Python version."""
    if isinstance(node, ast.AST):
        words.append(type(node).__name__)
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                value = [one for one in value if not _is_docstring(one)]
            if value is not None and value != [] and name not in _SPELLING:
                words.append(name)
                _spell(value, words)
        words.append(")")
    elif isinstance(node, list):
        for one in node:
            _spell(one, words)
        words.append("]")
    else:
        words.append(repr(node))


def _is_docstring(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _yaml(source: bytes) -> Any:
    import yaml

    try:
        return yaml.load(source, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _toml(source: bytes) -> Any:
    import tomllib

    return tomllib.loads(source.decode())


_SPELLING = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
"""Fields of syntax trees that say nothing of their own, or only how something is spelt."""
_PARSERS = {".py": _python, ".yaml": _yaml, ".toml": _toml}


def _bytes(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode("utf-8", "surrogatepass")
