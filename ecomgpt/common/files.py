"""Files and folders that are written whole or not at all: neither a reader nor a crash ever sees half of one.

What is written stands aside under a name that begins with a dot and ends with `WRITING`, and its writer holds a lock on
it, which the system releases however the writer ends. So the next process that works in the folder knows what a killed
writer left, clears it, and never touches what a living one writes.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecomgpt.common.errors import UserError
from ecomgpt.common.hashing import digest

WRITING, REPLACED = ".writing", ".replaced"
"""Ends of the names of what is being written, and of a folder that is about to be replaced by it."""

_cleared: set[Path] = set()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where the file is absent.

    Raises:
        UserError: If the file holds something else.
    """
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is damaged, no JSON ({error}); delete it, or what it belongs to") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: is damaged, no JSON object; delete it, or what it belongs to")
    return value


def write_json(path: Path, value: Any) -> None:
    """Writes JSON, indented, with a line feed at its end."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text; the folder is made if need be."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_bytes(path: Path, data: bytes) -> None:
    """As `write_text`, for bytes."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place once the block has ended without an error.

    Yields:
        The empty temporary file. On any error it is removed and ``path`` stays as it was.
    """
    with aside(path, folder=False) as temporary:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """As `replacing`, for a folder; an older one is removed only when the new one is in its place."""
    with aside(folder) as temporary:
        yield temporary
        temporary.chmod(0o755)
        if not folder.exists():
            temporary.replace(folder)
            return
        old = folder.with_name(f".{folder.name}.{_host()}.{secrets.token_hex(4)}{REPLACED}")
        with _held(folder):  # Or another process could put the old one back between the two renames.
            folder.replace(old)
            try:
                temporary.replace(folder)
            except OSError:
                old.replace(folder)
                raise
            _remove(old)


@contextlib.contextmanager
def aside(path: Path, folder: bool = True) -> Iterator[Path]:
    """A temporary file or folder beside ``path``, removed at the end unless it was moved; first clears what killed
    writers left there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path.parent)
    with contextlib.ExitStack() as stack:
        while True:
            temporary = _temporary(path, folder)
            held = stack.enter_context(_held(temporary))
            # Another process may have taken it for a leftover before the lock was on it.
            if held and temporary.exists():
                break
        try:
            yield temporary
        finally:
            _remove(temporary)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for what only this process and its children read, in the system's place for such."""
    with aside(Path(tempfile.gettempdir()) / f"ecomgpt-{os.getuid()}") as folder:
        yield folder


def clear_leftovers(folder: Path) -> None:
    """Removes what killed writers of this machine left in a folder, once in a process.

    A folder that was moved away and whose successor never came is put back.
    """
    if folder.absolute() in _cleared or not folder.is_dir():
        return
    _cleared.add(folder.absolute())
    for path in folder.glob(f".*.{_host()}.*{WRITING}"):
        with _held(path, wait=False) as held:
            if held:
                _remove(path)
    for path in folder.glob(f".*.{_host()}.*{REPLACED}"):
        first = folder / path.name[1:].rsplit(f".{_host()}.", 1)[0]
        with _held(path, wait=False) as held:
            if held and first.exists():
                _remove(path)
            elif held:
                path.replace(first)


def _temporary(path: Path, folder: bool) -> Path:
    prefix = f".{path.name[:120]}.{_host()}."
    if folder:
        return Path(tempfile.mkdtemp(dir=path.parent, prefix=prefix, suffix=WRITING))
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=WRITING)
    os.close(handle)
    return Path(name)


@contextlib.contextmanager
def _held(path: Path, wait: bool = True) -> Iterator[bool]:
    """Holds a lock on a file or folder; False where another process holds it, or it is gone.

    On a file system without locks a writer goes on without one, and nobody clears anything.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        held = wait
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            held = True
        yield held
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _host() -> str:
    """This machine in a name: on a shared file system another machine's locks may not be seen."""
    return digest(socket.gethostname(), 3)
