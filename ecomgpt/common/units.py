"""Bytes and seconds for people."""


def size(amount: float) -> str:
    """Bytes in the unit in which they have one to three digits before the point: ``18 MB``, ``9.4 GB``, ``119 GB``."""
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if abs(amount) < 999.5:
            break
        amount, unit = amount / 1000, larger
    digits = 1 if unit in ("GB", "TB") and abs(amount) < 99.95 else 0
    return f"{amount:.{digits}f} {unit}"


def duration(seconds: float, exact: bool = False) -> str:
    """Seconds as ``40 s``, ``12 min``, ``5 h 20 min`` or ``3 d 4 h``; exactly ``4.3 s`` and ``12 min 05 s``."""
    if exact and seconds < 10:
        return f"{seconds:.1f} s"
    if exact and 60 <= round(seconds) < 3600:
        return f"{round(seconds) // 60} min {round(seconds) % 60:02d} s"
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
