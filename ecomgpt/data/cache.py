"""Folders that are written once and found again under the name of what they depend on."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def cached_dir(folder: Path, write: Callable[[Path], object]) -> Path:
    """Returns a folder, which is written aside and moved into place complete unless it is there already.

    Args:
        folder: Where it belongs. Runs that start together wait for the one that writes it.
        write: Fills a temporary folder.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        return folder if folder.is_dir() else _written(folder, write)


def _written(folder: Path, write: Callable[[Path], object]) -> Path:
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        write(temporary)
        temporary.chmod(0o755)  # Others may share the cache.
        # Another machine may have been faster, where the cache's file system has no locks between machines; both wrote
        # the same.
        with contextlib.suppress(OSError):
            temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder
