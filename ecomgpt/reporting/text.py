"""Numbers and untrusted text, made fit to be shown. Scores are shown in points: 0 to 100, one decimal."""

from __future__ import annotations

import math
import os
import re
import unicodedata

from ecomgpt.common import units
from ecomgpt.eval.metrics_file import Change, Score

NONE = "–"
DECIDING = "/deciding"
"""Ends the name of a group that leaves out the tasks on which no arm is above a baseline."""
METRICS = {
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "exact_match": "exact match",
    "invalid_rate": "invalid",
    "chrf": "chrF",
    "partial_f1": "partial F1",
    "token_f1": "token F1",
}
# Directional marks and overrides can reorder the page around them; line and paragraph separators break lines unseen.
_INVISIBLE = frozenset("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~$!])")


def number(value: object) -> float | None:
    """``value`` as a finite float, or None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def points(value: object, signed: bool = False) -> str:
    """``0.4567`` as ``45.7``, with a typographic minus, or with a sign where it is a difference."""
    known = number(value)
    if known is None:
        return NONE
    text = f"{known * 100:+.1f}" if signed else f"{known * 100:.1f}"
    text = text[1:] if text in ("-0.0", "+0.0") else text
    return text.replace("-", "\u2212")


def probability(value: object) -> str:
    """A p-value: three decimals, or ``< 0.001``."""
    known = number(value)
    return NONE if known is None else "< 0.001" if known < 0.001 else f"{known:.3f}"


def tested(change: Change) -> str:
    """A p-value, with Holm's correction in brackets where that changes it: ``0.030 (0.120)``."""
    p, holm = probability(change.p), probability(change.p_holm)
    return p if holm in (p, NONE) else f"{p} ({holm})"


def interval(score: Score) -> str:
    """``[41.0, 50.2]``, or a dash where the run holds no interval."""
    return f"[{points(score.low)}, {points(score.high)}]" if score.has_interval else NONE


def count(value: object) -> str:
    """A whole number with commas."""
    known = number(value)
    return NONE if known is None else f"{known:,.0f}"


def size(value: object) -> str:
    """Bytes in powers of a thousand: ``2.1 GB``."""
    known = number(value)
    return units.size(known) if known else NONE


def duration(seconds: object) -> str:
    """Seconds as ``47 s``, ``2 min 05 s`` or ``3 h 20 min``."""
    known = number(seconds)
    return NONE if known is None or known < 0 else units.duration(known, exact=True)


def metric_name(key: str) -> str:
    """``released_rouge_l`` as ``ROUGE-L (released)``; keys that are not known lose their underscores."""
    if key.startswith("released_"):
        return f"{metric_name(key.removeprefix('released_'))} (released)"
    return METRICS.get(key, key.replace("_", " "))


def relation_name(relation: str) -> str:
    """``cross_task`` as ``cross-task``."""
    known = {"cross_dataset": "cross-dataset", "cross_task": "cross-task", "in_domain": "in-domain"}
    return (known | {"held_out_task": "held-out task"}).get(relation, relation.replace("_", " "))


def group_name(name: str) -> str:
    """``language/zh`` as ``Chinese``."""
    known = {"language/en": "English", "language/zh": "Chinese", "all": "all tasks"}
    if name.endswith(DECIDING):
        return f"{group_name(name.removesuffix(DECIDING))} on which an arm is above a baseline"
    return known.get(name) or relation_name(name.removeprefix("family/"))


def plural(n: int, noun: str) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def shown_path(path: os.PathLike[str]) -> str:
    """``path`` from the current folder where that is shorter."""
    here = os.path.relpath(path)
    return here if len(here) < len(os.fspath(path)) else os.fspath(path)


def mark(verdict: str) -> str:
    """▲ or ▼ for a difference that is significant."""
    return {"win": "▲", "loss": "▼"}.get(verdict, "")


def visible(text: str) -> str:
    """``text`` with what a terminal or a browser would obey written as escapes; keeps newlines and tabs."""
    return "".join(_shown(char) for char in text.replace("\r\n", "\n"))


def _shown(char: str) -> str:
    if char in "\n\t":
        return char
    if char in _INVISIBLE or unicodedata.category(char) in ("Cc", "Cs"):
        return f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}"
    return char


def clip(text: str, limit: int) -> str:
    """At most about ``limit`` characters: the middle makes way for a note that says how much was left out."""
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    return f"{text[:head]} [… {count(len(text) - limit)} characters left out …] {text[len(text) - (limit - head) :]}"


def markdown(text: str) -> str:
    """``text`` as Markdown that shows it literally on one line, inside a table cell as well."""
    text = _MARKUP.sub(r"\\\1", visible(text).replace("&", "&amp;"))
    # Escaped separators keep addresses in the data from becoming links.
    text = text.replace("://", "\\://").replace("www.", "www\\.")
    return text.replace("\\<", "&lt;").replace("\\>", "&gt;").replace("\t", " ").replace("\n", " ⏎ ")


def code_block(text: str) -> str:
    """``text`` as a fenced block of Markdown; the fence is longer than every run of backticks inside."""
    shown = visible(text)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{fence}\n{shown}\n{fence}"
