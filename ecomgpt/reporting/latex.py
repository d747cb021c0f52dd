"""What LaTeX prints as it is, for `table.tex`."""

from __future__ import annotations

import unicodedata

from ecomgpt.reporting.text import visible

MARKS = {"win": r"$^{\uparrow}$", "loss": r"$^{\downarrow}$"}
SPECIAL = (
    {char: f"\\{char}" for char in "{}$&#%_"}
    | {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
    | {"[": "{[}", "\u2212": "$-$", "\u2013": "--", "\u2014": "---", "\u00b7": r"\textperiodcentered{}"}
    | {"\u2018": "`", "\u2019": "'", "\u201c": "``", "\u201d": "''"}
)


def escape(text: str) -> str:
    """``text`` as LaTeX that prints it; characters outside of Latin script become their code points."""
    line = " ".join(visible(text).split())
    return "".join(SPECIAL.get(char) or (char if _latin(char) else f"U+{ord(char):04X}") for char in line)


def _latin(char: str) -> bool:
    # Latin-1 without its symbols: what T1 fonts have under the same name in every TeX.
    return " " <= char <= "~" or ("\u00c0" <= char <= "\u00ff" and unicodedata.category(char).startswith("L"))


def printable(text: str) -> bool:
    """Whether all of it can be printed as it is."""
    return all(char in SPECIAL or _latin(char) for char in visible(text))
