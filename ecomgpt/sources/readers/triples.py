"""Three lines per example: a text with ``$T$`` for the aspect, the aspect, its polarity; a sentence once per aspect."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ecomgpt.sources.readers.item import Item, Malformed, SourceFile, clean
from ecomgpt.sources.readers.lines import Line, read_lines
from ecomgpt.sources.records import Aspect, Review

OPTIONS: dict[str, str] = {
    "spaced": "true where blanks separate characters and must go (false)",
    "placeholder": "what stands for the aspect ($T$)",
}


Places = tuple[tuple[int, int], ...]
"""Where a term stands, as (start, end) among the characters of the sentence that are not white space."""


@dataclass(slots=True)
class _Sentence:
    """A restored sentence with the polarities that each of its terms was given, in the order of the file."""

    line: int
    text: str
    given: dict[Places, list[str]] = field(default_factory=dict)


def read_triples(source: SourceFile) -> Iterator[Item]:
    """Reads a file of triples into one review per sentence; a row is a triple.

    Restored sentences count as one where they differ in white space only: the placeholder often took the blank before a
    full stop with it. The shortest spelling is kept. The triples of one sentence need not be neighbours, so the
    sentences of one file are held in memory.
    """
    sentences: dict[str, _Sentence] = {}
    for lines in _threes(source):
        spoiled = next((line for line in lines if line.bad), None)
        if spoiled:
            yield Item(spoiled.number, bad=spoiled.bad)
            continue
        if len(lines) < 3:
            yield Item(lines[0].number, bad="the last example is cut off: it needs text, aspect and polarity")
            continue
        try:
            text, places, polarity = _example(source, lines)
        except Malformed as error:
            yield Item(lines[0].number, bad=str(error))
            continue
        sentence = sentences.setdefault("".join(text.split()), _Sentence(lines[0].number, text))
        sentence.text = min(sentence.text, text, key=len)
        sentence.given.setdefault(places, []).append(polarity)
    for sentence in sentences.values():
        yield from _review(source, sentence)


def _threes(source: SourceFile) -> Iterator[list[Line]]:
    held: list[Line] = []
    for line in read_lines(source.path, source.option("encoding", "utf-8")):
        if not held and not line.bad and not line.text.strip():
            continue
        held.append(line)
        if len(held) == 3:
            yield held
            held = []
    if held:
        yield held


def _example(source: SourceFile, lines: list[Line]) -> tuple[str, Places, str]:
    """The restored text, the places where the term stood, and the polarity shown."""
    mark = source.option("placeholder", "$T$")
    template, term = clean(lines[0].text), clean(lines[1].text)
    if source.option("spaced"):
        template, term = "".join(template.split()), "".join(term.split())
    if mark not in template:
        raise Malformed(f"the text holds no {mark}; texts, aspects and polarities are out of step from here on")
    if not term:
        raise Malformed("the aspect is empty")
    parts, length, at = template.split(mark), _solid(term), 0
    places: list[tuple[int, int]] = []
    for part in parts[:-1]:
        at += _solid(part)
        places.append((at, at + length))
        at += length
    text = term.join(parts)
    return text, tuple(places), source.label("polarity", clean(lines[2].text), source.language(text))


def _solid(text: str) -> int:
    """How many of its characters are not white space."""
    return len("".join(text.split()))


def _review(source: SourceFile, sentence: _Sentence) -> Iterator[Item]:
    text = sentence.text
    solid = [at for at, letter in enumerate(text) if not letter.isspace()]
    aspects: dict[tuple[int, int], Aspect] = {}
    kept, repeated, contrary = 0, 0, 0
    for places, polarities in sentence.given.items():
        spread = len(polarities) <= len(places)
        if not spread and len(set(polarities)) > 1:
            contrary += len(polarities)
            continue
        # A term that occurs twice was replaced twice in each of its rows: the k-th row speaks of the k-th place.
        for (first, last), polarity in zip(places, polarities, strict=False):
            start, end = solid[first], solid[last - 1] + 1
            aspect = Aspect(polarity, text[start:end], "", start, end)
            new = aspects.setdefault((start, end), aspect) is aspect
            kept, repeated = kept + new, repeated + (not new)
        repeated += max(0, len(polarities) - len(places))
    if repeated:
        yield Item(sentence.line, rows=repeated, dropped="exact repeat")
    if contrary:
        yield Item(sentence.line, rows=contrary, dropped="contradicting polarities of one aspect")
    if aspects:
        language = source.language(text)
        ordered = tuple(aspects[place] for place in sorted(aspects))
        review = Review(**source.head(sentence.line, text, language), text=text, aspects=ordered)
        yield Item(sentence.line, (review,), rows=kept)
