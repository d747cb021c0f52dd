"""Folders that know what they hold: sizes and checksums of their files, compared before anything is read back."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from ecomgpt.common.errors import UserError
from ecomgpt.common.files import read_json, write_json
from ecomgpt.common.hashing import file_hash

SEAL = "checksums.json"


def seal(folder: Path, without: Iterable[str] = ()) -> None:
    """Writes size and checksum of every file in a folder, at any depth, into it; the last step of writing it.

    Args:
        folder: The folder.
        without: Files that may change later, by their path below it.
    """
    left_out = {SEAL, *without}
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    known = {name: [path.stat().st_size, file_hash(path)] for name, path in files.items() if name not in left_out}
    write_json(folder / SEAL, known)


def damage(folder: Path) -> str | None:
    """What is wrong with a sealed folder; None if every file is as it was written. Further files don't matter."""
    if not folder.is_dir():
        return "it is not there"
    try:
        known = read_json(folder / SEAL)
    except UserError:
        known = {}
    if not known:
        return f"'{SEAL}' in it is missing or damaged"
    for name, (size, checksum) in known.items():
        path = folder / name
        if not path.is_file():
            return f"'{name}' in it is missing"
        if path.stat().st_size != size:
            return f"'{name}' in it has {path.stat().st_size:,} bytes in place of {size:,}"
        if known_hash(path) != checksum:
            return f"'{name}' in it holds something else than was written"
    return None


def require_whole(folder: Path, advice: str) -> None:
    """Refuses a sealed folder that has changed; folders without a seal are not ours and pass.

    Raises:
        UserError: Naming the file.
    """
    problem = damage(folder) if (folder / SEAL).exists() else None
    if problem:
        raise UserError(f"{folder}: {problem}; {advice}")


def known_hash(path: Path) -> str:
    """`file_hash`, read once in a process: a large file takes seconds."""
    stat = path.stat()
    return _hash(path, stat.st_ino, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _hash(path: Path, number: int, size: int, changed: int) -> str:
    return file_hash(path)
