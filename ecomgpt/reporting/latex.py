"""`table.tex`: the main table for a paper, with booktabs; compiles as it is, and can be taken in with ``\\input``."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from ecomgpt.reporting.text import visible

MARKS = {"▲": r"$^{\uparrow}$", "▼": r"$^{\downarrow}$"}
SPECIAL = (
    {char: f"\\{char}" for char in "{}$&#%_"}
    | {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
    | {"[": "{[}", "\u2212": "$-$", "\u2013": "--", "\u2014": "---", "\u00b7": r"\textperiodcentered{}"}
    | {"\u2018": "`", "\u2019": "'", "\u201c": "``", "\u201d": "''"}
)
# Inside a document (after \input) \documentclass is an error message by then; only a file of its own makes a document.
HEAD = r"""% Compiles as it is; in a document with \usepackage{booktabs,textcomp} take it in with \input{table}.
\makeatletter
\ifx\documentclass\@twoclasseserror
  \let\ecomgptend\relax
\else
  \documentclass{article}
  \usepackage[T1]{fontenc}
  \usepackage[utf8]{inputenc}
  \usepackage{booktabs,textcomp}
  \usepackage[landscape,margin=1.5cm]{geometry}
  \pagestyle{empty}
  \begin{document}
  \def\ecomgptend{\end{document}}
\fi
\makeatother
"""


@dataclass(frozen=True)
class LatexCell:
    """A number with a mark behind it; the best of a row is bold."""

    text: str
    best: bool = False
    mark: str = ""

    def __str__(self) -> str:
        text = escape(self.text)
        return (rf"\textbf{{{text}}}" if self.best else text) + MARKS.get(self.mark, "")


Section = Sequence[tuple[Sequence[str], Sequence[LatexCell]]]


def table(columns: Sequence[str], sections: Sequence[Section], caption: str) -> str:
    """The whole file.

    Args:
        columns: Titles; the first ones belong to texts, the others to numbers.
        sections: Rows, each of texts and cells; a rule stands between sections.
        caption: Below the table.
    """
    words = len(sections[0][0][0]) if sections else 1
    lines = [
        HEAD,
        r"\begin{table}",
        r"\centering",
        r"\small",
        rf"\begin{{tabular}}{{{'l' * words}{'r' * (len(columns) - words)}}}",
        r"\toprule",
        " & ".join(map(escape, columns)) + r" \\",
    ]
    for rows in sections:
        lines.append(r"\midrule")
        lines += [" & ".join([*map(escape, texts), *map(str, cells)]) + r" \\" for texts, cells in rows]
    lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{escape(caption)}}}", r"\end{table}", r"\ecomgptend", ""]
    return "\n".join(lines)


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
