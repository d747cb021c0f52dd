"""Keeps freed memory in the process, where the C library would hand every large buffer back to the system.

A micro-batch frees and asks again for the same gigabytes. With the C library's defaults the kernel has to map and clear
them anew each time, page by page; for BLOOMZ-560M on two cores that took a third of a step.
"""

import ctypes
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
"""Parameters of glibc's `mallopt`, from malloc.h."""


def keep_freed_memory() -> bool:
    """For the rest of the process; returns whether the C library took it (glibc on Linux does).

    Do not call it where a strategy shards: it gathers and drops units of hundreds of megabytes, whose gaps nothing else
    fits.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # No mapping of its own for large buffers, a heap that never shrinks, and steps of 64 MB when it grows.
    return all(mallopt(*setting) == 1 for setting in ((MMAP_MAX, 0), (TRIM_THRESHOLD, 2**31 - 1), (TOP_PAD, 64 << 20)))
