"""Numbers and untrusted text, made fit to be shown. Scores are shown in points: 0 to 100, one decimal."""

from __future__ import annotations

import math
import re
import unicodedata

from ecomgpt.report.load import Score, number

NONE = "–"
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
_BYTES = ("B", "kB", "MB", "GB", "TB")


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
    if known is None or known <= 0:
        return NONE
    power = min(int(math.log10(known) // 3), len(_BYTES) - 1) if known >= 1 else 0
    return f"{known / 1000**power:.{1 if power else 0}f} {_BYTES[power]}"


def duration(seconds: object) -> str:
    """Seconds as ``47 s``, ``2 min 05 s`` or ``3 h 20 min``."""
    known = number(seconds)
    if known is None or known < 0:
        return NONE
    whole = round(known)
    if whole < 60:
        return f"{known:.1f} s" if known < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def energy(joules: object) -> str:
    """Joules as ``5.2 kJ`` or, from a hundredth of a kilowatt-hour on, ``0.41 kWh``."""
    known = number(joules)
    if known is None:
        return NONE
    return f"{known / 3.6e6:.2f} kWh" if known >= 36_000 else f"{known / 1000:.1f} kJ"


def metric_name(key: str) -> str:
    """``released_rouge_l`` as ``ROUGE-L (released)``; keys that are not known lose their underscores."""
    if key.startswith("released_"):
        return f"{metric_name(key.removeprefix('released_'))} (released)"
    return METRICS.get(key, key.replace("_", " "))


def mark(verdict: str) -> str:
    """▲ or ▼ for a difference that is significant."""
    return {"win": "▲", "loss": "▼"}.get(verdict, "")


def visible(text: str) -> str:
    """``text`` with what a terminal or a browser would obey instead of show, written as escapes; keeps newlines and tabs."""
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
