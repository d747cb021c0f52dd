"""Which texts the installed fonts can draw, so that a figure never shows boxes in the place of characters."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

CHINESE = (
    # Of a collection of fonts, matplotlib knows the first one alone; Noto's is called JP and holds all of them.
    *("Noto Sans CJK SC", "Noto Sans SC", "Noto Sans CJK JP", "Source Han Sans SC", "Source Han Sans CN"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "PingFang SC", "Hiragino Sans GB"),
    *("Heiti SC", "Microsoft YaHei", "SimHei", "Arial Unicode MS"),
)
"""Widely installed families with Chinese, free ones first."""


@lru_cache(maxsize=1)
def families() -> tuple[str, ...]:
    """The families to draw with: matplotlib's own font and the first installed one that has Chinese."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *[family for family in CHINESE if family in installed][:1])


@lru_cache(maxsize=4)
def _characters(names: tuple[str, ...]) -> frozenset[str]:
    from matplotlib import font_manager

    paths = [font_manager.findfont(name, fallback_to_default=False) for name in names]
    known = (chr(code) for path in paths for code in font_manager.get_font(path).get_charmap())
    # Control and format characters have no picture even where a font lists them.
    return frozenset(char for char in known if not unicodedata.category(char).startswith("C"))


def drawable(text: str, *substitutes: str, width: int = 60) -> str:
    """The first of ``text`` and ``substitutes`` that the fonts can draw, on one line of at most ``width`` columns.

    Where none can be drawn, the last one with ``?`` for what is missing. A Chinese character takes two columns.
    """
    known = _characters(families())
    lines = [" ".join(candidate.split()) for candidate in (text, *substitutes)]
    line = next((line for line in lines if line and known.issuperset(line)), lines[-1])
    line = "".join(char if char in known else "?" for char in line)
    kept = line
    while columns(kept) > (width if kept == line else width - 1):
        kept = kept[:-1]
    return kept if kept == line else kept.rstrip() + "…"


def columns(line: str) -> int:
    """The width of a line in columns of a fixed-width font."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)
