"""Folders that are written once and found again under the name of what they depend on."""

import contextlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from ecomgpt.common.files import aside, clear_leftovers
from ecomgpt.common.log import log
from ecomgpt.common.sealed import damage, seal


def cached_dir(folder: Path, write: Callable[[Path], object]) -> Path:
    """Returns a folder, which is written aside and moved into place complete unless it is there already and whole.

    A folder whose files have changed since is told and written again.

    Args:
        folder: Where it belongs. Runs that start together wait for the one that writes it.
        write: Fills a temporary folder.
    """
    clear_leftovers(folder.parent)
    if damage(folder) is None:
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        problem = damage(folder)
        if problem is None:
            return folder
        if folder.is_dir():
            message = f"the cache '{folder}' is damaged ({problem}); it is written again"
            log.warning("%s", message)
            print(f"  {message}", file=sys.stderr, flush=True)
            shutil.rmtree(folder)
        return _written(folder, write)


def _written(folder: Path, write: Callable[[Path], object]) -> Path:
    with aside(folder) as temporary:
        write(temporary)
        seal(temporary)
        temporary.chmod(0o755)  # Others may share the cache.
        # Another machine may have been faster, where the cache's file system has no locks between machines; both wrote
        # the same.
        with contextlib.suppress(OSError):
            temporary.replace(folder)
    return folder
