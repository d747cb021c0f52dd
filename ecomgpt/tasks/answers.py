"""How an answer is written and how it is read back: one form per shape of answer, `render` and `parse` side by side.

Training renders, evaluation parses; that both live here is what keeps them inverse to each other.

The one rule by which answers are read, for every form and both languages:

* Two names are equal if their `normal` forms are: Unicode NFKC (full-width letters become plain ones), case folded,
  runs of white space as one space, white space around and punctuation at the end removed.
* A list is split at ``,`` ``，`` ``、`` ``;`` ``；``, at line ends and at the task's own separator. A comma between two
  digits (``1,000``, ``1，000``) splits nothing. A candidate whose own name holds a separator is seen whole. Empty parts
  are skipped, doubles count once.
* ``None``, alone, is the empty list (unless it is a candidate).
* Nothing is guessed: a text that merely contains a candidate, or is close to one, is not that candidate.

What can't be matched stays among the items as written, so that it counts as a wrong answer, and makes the answer
invalid. A line of a typed answer that can't be read stays whole, under no type.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from ecomgpt.common.text import folded

FORMS: dict[str, str] = {
    "label": "one of the candidates; items: (label,)",
    "labels": "several of the candidates, 'a, b' or 'None'; items: (label, ...)",
    "spans": "terms, 'a, b' or 'None'; items: (term, ...)",
    "typed_spans": "a line for each type, 'Type: term, term' or 'Type: None'; "
    "items: ((type, term), ...), ordered by type",
    "text": "free text; items: (text,)",
}

Items: TypeAlias = tuple[str, ...] | tuple[tuple[str, str], ...]

NONE = "None"
SEPARATOR = ", "

_TRAILING = ".,;:!?。、"  # NFKC turns the other full-width marks into these.
_SPLIT = r"(?<!\d)[,，]|[,，](?!\d)|[、;；\n]"


@dataclass(frozen=True, slots=True)
class Parsed:
    """An answer as read.

    Attributes:
        items: As in `FORMS`, without doubles; what matches no candidate stands there as written.
        valid: Whether the answer has the form that was asked for and names nothing but candidates.
    """

    items: Items
    valid: bool


def normal(text: str) -> str:
    """The form in which names are compared; two spellings of one name give the same."""
    return " ".join(folded(text).split()).rstrip(_TRAILING + " ")


def render(form: str, items: Sequence, candidates: Sequence[str] = (), separator: str = SEPARATOR) -> str:
    """Writes an answer.

    Args:
        form: A key of `FORMS`.
        items: As in `FORMS`.
        candidates: For ``typed_spans``, the label set: one line each, in this order. Without it, the types that occur.
        separator: Between the parts of a list.

    Raises:
        ValueError: If the form is unknown, or ``label`` and ``text`` do not get exactly one item.
    """
    if form not in FORMS:
        raise ValueError(f"unknown answer form {form!r}; known: {', '.join(FORMS)}")
    if form in ("label", "text"):
        if len(items) != 1:
            raise ValueError(f"the form {form!r} takes one item, not {len(items)}: {items!r}")
        return items[0]
    if form in ("labels", "spans"):
        return separator.join(items) if items else NONE
    terms: dict[str, list[str]] = {type_: [] for type_ in candidates}
    for type_, term in items:
        terms.setdefault(type_, []).append(term)
    lines = [f"{type_}: {separator.join(found) if found else NONE}" for type_, found in terms.items()]
    return "\n".join(lines) if lines else NONE


def parse(form: str, text: str, candidates: Sequence[str] = (), separator: str = SEPARATOR) -> Parsed:
    """Reads an answer back; see the module's rule. Never raises, whatever the text.

    `parse` undoes `render` for well-formed items: distinct, in the label set's order, no white space around them, not
    ``None``, not punctuation alone, and, where they are no candidates, without separators or line ends within.

    Args:
        form: A key of `FORMS`.
        text: What a model wrote.
        candidates: The closed set: the labels of ``label`` and ``labels``, the types of ``typed_spans``. Empty: open.
        separator: The task's own separator, where it is not one of those that always split.
    """
    if form not in FORMS:
        raise ValueError(f"unknown answer form {form!r}; known: {', '.join(FORMS)}")
    text = text.strip()
    if form == "text":
        return Parsed((text,), True) if text else Parsed((), False)
    known = _Names(tuple(candidates), separator)
    if form == "label":
        if not normal(text) and known.find(text) is None:
            return Parsed((), False)
        found = known.find(text) if candidates else text
        return Parsed((text if found is None else found,), found is not None)
    if form == "typed_spans":
        return _parse_typed(text, known, _Names((), separator))
    if normal(text) == normal(NONE) and known.find(text) is None:
        return Parsed((), True)
    if form == "spans":
        terms = _unique(_pieces(text, _Names((), separator)))
        return Parsed(terms, bool(terms))
    labels = _unique(_pieces(text, known))
    return Parsed(labels, bool(labels) and (not candidates or all(label in known.exact for label in labels)))


def _parse_typed(text: str, types: "_Names", open_names: "_Names") -> Parsed:
    if normal(text) == normal(NONE):
        return Parsed((), True)
    pairs: list[tuple[str, str]] = []
    valid = bool(text)
    for line in filter(None, (line.strip() for line in text.split("\n"))):
        colons = [match.start() for match in re.finditer("[:：]", line)]
        if not colons:
            valid = False
            pairs.append(("", line))
            continue
        # A type whose own name holds a colon is seen whole; only as many colons as such a name has are tried.
        heads = [at for at in colons[: types.most_colons + 1] if types.find(line[:at].strip()) is not None]
        at = heads[-1] if heads else colons[0]
        head, rest = line[:at].strip(), line[at + 1 :].strip()
        type_ = types.find(head)
        none = normal(rest) == normal(NONE)
        terms = () if none else _unique(_pieces(rest, open_names))
        readable = (none or bool(terms)) and (type_ is not None or not types.names)
        valid = valid and readable
        pairs.extend((head if type_ is None else type_, term) for term in terms)
        if not readable and not terms:
            pairs.append(("", line))
    return Parsed(_unique(pairs), valid)


class _Names:
    """The candidates of one question, found by their normal form."""

    def __init__(self, names: tuple[str, ...], separator: str) -> None:
        self.names = names
        self.pattern = _pattern(separator)
        self.exact, self._normal, self.most_pieces, self.most_colons = _index(names, self.pattern)

    def find(self, text: str) -> str | None:
        """The candidate of this name, or None; of two that differ in spelling only, the one spelt exactly so."""
        return text if text in self.exact else self._normal.get(normal(text))


@lru_cache(maxsize=1024)
def _index(names: tuple[str, ...], pattern: re.Pattern[str]) -> tuple[frozenset[str], Mapping[str, str], int, int]:
    by_normal: dict[str, str] = {}
    ambiguous = {""}
    for name in names:
        key = normal(name)
        if by_normal.setdefault(key, name) != name:
            ambiguous.add(key)
    unique = {key: name for key, name in by_normal.items() if key not in ambiguous}
    most_pieces = max((len(pattern.split(name)) for name in names), default=1)
    return frozenset(names), unique, most_pieces, max((len(re.findall("[:：]", name)) for name in names), default=0)


@lru_cache(maxsize=64)
def _pattern(separator: str) -> re.Pattern[str]:
    own = separator.strip() or separator
    return re.compile(_SPLIT if not own or re.fullmatch(_SPLIT, own) else f"{_SPLIT}|{re.escape(own)}")


def _pieces(text: str, known: _Names) -> list[str]:
    """The parts of a list; neighbours that together spell a candidate are one part, the longest first."""
    cuts = [match.span() for match in known.pattern.finditer(text)]
    starts = [0, *(end for _, end in cuts)]
    ends = [*(start for start, _ in cuts), len(text)]
    found: list[str] = []
    first = 0
    while first < len(starts):
        width = min(known.most_pieces, len(starts) - first)
        for last in range(first + width - 1, first - 1, -1):
            piece = text[starts[first] : ends[last]].strip()
            name = known.find(piece)
            if name is not None:
                found.append(name)
                break
        else:
            last = first
            if normal(piece):
                found.append(piece)
        first = last + 1
    return found


def _unique(items: Iterable) -> tuple:
    return tuple(dict.fromkeys(items))
