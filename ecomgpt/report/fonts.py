"""Which texts the installed fonts can draw, so that a figure never shows boxes in the place of characters."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

# Widely installed families with Chinese, free ones first.
CHINESE = (
    # Of a collection of fonts, matplotlib knows the first one alone; Noto's is called JP and holds all of them.
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti SC",
    "Microsoft YaHei",
    "SimHei",
    "Arial Unicode MS",
)


@lru_cache(maxsize=1)
def families() -> tuple[str, ...]:
    """The families to draw with: matplotlib's own font and the first installed one that has Chinese."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    chinese = next((family for family in CHINESE if family in installed), None)
    return ("DejaVu Sans", chinese) if chinese else ("DejaVu Sans",)


@lru_cache(maxsize=4)
def _characters(names: tuple[str, ...]) -> frozenset[int]:
    from matplotlib import font_manager

    paths = [font_manager.findfont(name, fallback_to_default=False) for name in names]
    return frozenset(code for path in paths for code in font_manager.get_font(path).get_charmap())


def drawable(text: str, *substitutes: str, width: int = 60) -> str:
    """The first of ``text`` and ``substitutes`` that the fonts can draw, on one line of at most ``width`` characters.

    Where none can be drawn, the last one without the characters that are missing.
    """
    known = _characters(families())
    line = ""
    for candidate in (text, *substitutes):
        line = " ".join(candidate.split())
        if line and all(_plain(char, known) for char in line):
            return _shorten(line, width)
    return _shorten("".join(char if _plain(char, known) else "?" for char in line), width)


def _plain(char: str, known: frozenset[int]) -> bool:
    # Control and format characters have no picture even where a font lists them.
    return ord(char) in known and unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co")


def _shorten(line: str, width: int) -> str:
    wide = sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)
    if wide <= width:
        return line
    while sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line) > width - 1:
        line = line[:-1]
    return line.rstrip() + "…"
