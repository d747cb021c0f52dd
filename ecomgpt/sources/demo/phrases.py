"""Templates with slots and optional clauses, written out with the exact place of every slot.

``"{Brand} {noun}[ for {use}]"`` has three slots and one optional clause. A slot's value is a string, a tuple of phrases
of which one is chosen, a list of ``(tag, text)`` pieces, or a function that writes it. ``{a:noun}`` puts the right
English article before the value.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

_TOKEN = re.compile(r"\{(a:)?([^{}]+)\}|([\[\]])|([^{}\[\]]+)")
_LITERAL, _SLOT, _ARTICLE, _OPTIONAL = range(4)

Phrase = tuple[tuple[int, Any], ...]
"""A compiled template: (operation, text or slot name or phrase) pairs."""


class Span(NamedTuple):
    """Where a slot's value stands: ``text[start:end]``."""

    tag: str
    start: int
    end: int


def compile_phrase(template: str) -> Phrase:
    """Compile a template. Raises ValueError where its brackets do not match."""
    stack: list[list[tuple[int, Any]]] = [[]]
    for article, slot, bracket, literal in _TOKEN.findall(template):
        if slot:
            stack[-1].append((_ARTICLE if article else _SLOT, slot))
        elif literal:
            stack[-1].append((_LITERAL, literal))
        elif bracket == "[":
            stack.append([])
        elif len(stack) == 1:
            raise ValueError(f"']' without '[' in {template!r}")
        else:
            optional = tuple(stack.pop())
            stack[-1].append((_OPTIONAL, optional))
    if len(stack) != 1:
        raise ValueError(f"'[' without ']' in {template!r}")
    return tuple(stack[0])


def with_article(noun: str) -> str:
    """``backpack`` -> ``a backpack``."""
    return ("an " if noun[0] in "aeiouAEIOU" else "a ") + noun


class Writer:
    """Writes phrases one after the other and remembers the spans of all slots.

    Args:
        random: A source of numbers in [0, 1), such as ``random.Random(...).random``.
        lexicon: Slots that hold in every phrase; the slots given with a phrase win over them.
    """

    def __init__(self, random: Callable[[], float], lexicon: Mapping[str, Any]) -> None:
        self.random = random
        self.lexicon = lexicon
        self.parts: list[str] = []
        self.length = 0
        self.spans: list[Span] = []

    def add(self, text: str, tag: str = "") -> None:
        """Append a text; with a tag its span is remembered."""
        self.parts.append(text)
        end = self.length + len(text)
        if tag:
            self.spans.append(Span(tag, self.length, end))
        self.length = end

    def choose(self, options: Sequence[Any]) -> Any:
        """One of the options, all equally likely."""
        return options[int(self.random() * len(options))]

    def write(self, phrase: Phrase, slots: Mapping[str, Any]) -> None:
        """Append a phrase, its slots filled and each optional clause in one of two cases."""
        for operation, value in phrase:
            if operation == _LITERAL:
                self.add(value)
            elif operation == _OPTIONAL:
                if self.random() < 0.5:
                    self.write(value, slots)
            else:
                self._fill(value, slots, operation == _ARTICLE)

    def _fill(self, name: str, slots: Mapping[str, Any], article: bool) -> None:
        value = slots[name] if name in slots else self.lexicon[name]
        if isinstance(value, str):
            if article:
                self.add(with_article(value).removesuffix(value))
            self.add(value, name)
        elif isinstance(value, tuple):
            self.write(self.choose(value), slots)
        elif callable(value):
            value(self)
        else:
            for tag, text in value:
                self.add(text, tag)

    def sentence(self, phrase: Phrase, slots: Mapping[str, Any], end: str = "") -> None:
        """Append a phrase with a capital letter at its start, then ``end``."""
        first = len(self.parts)
        self.write(phrase, slots)
        self.capitalise(first)
        if end:
            self.add(end)

    def capitalise(self, part: int) -> None:
        """Make the first letter from a part on a capital; the length stays."""
        while part < len(self.parts) and not self.parts[part]:
            part += 1
        if part < len(self.parts):
            text = self.parts[part]
            self.parts[part] = text[0].upper() + text[1:]

    @property
    def text(self) -> str:
        """All that was written."""
        return "".join(self.parts)
