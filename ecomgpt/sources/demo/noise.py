"""Small slips of the keyboard that keep every offset: no character is added or removed."""

from collections.abc import Sequence

from ecomgpt.sources.demo.phrases import Span
from ecomgpt.sources.demo.products import Random

_HOMOPHONES = dict(zip("的在做得那已哪像再带", "得再作的哪以那象在戴", strict=True))
_TYPOS, _LOWER = 0.12, 0.08
"""How many texts have a typo, and how many English ones no capitals at all."""


def noisy(text: str, spans: Sequence[Span], random: Random, language: str) -> str:
    """The text with a typo in some cases, never inside one of the spans; its length stays the same."""
    if random() < _TYPOS:
        text = (_swap if language == "en" else _confuse)(text, spans, random)
    if language == "en" and random() < _LOWER:
        lower = text.lower()
        text = lower if len(lower) == len(text) else text
    return text


def _swap(text: str, spans: Sequence[Span], random: Random) -> str:
    """Two neighbouring letters in the middle of a word change places."""
    at = int(random() * len(text))
    inside = text[max(at - 1, 0) : at + 3]
    if len(inside) < 4 or not (inside.isascii() and inside.isalpha() and inside.islower()):
        return text
    if any(span.start < at + 3 and at - 1 < span.end for span in spans):
        return text
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _confuse(text: str, spans: Sequence[Span], random: Random) -> str:
    """A character becomes one that sounds the same."""
    for at, character in enumerate(text):
        if character in _HOMOPHONES and not any(span.start <= at < span.end for span in spans) and random() < 0.5:
            return text[:at] + _HOMOPHONES[character] + text[at + 1 :]
    return text
