"""Three lines an example: a text with ``$T$`` for the aspect, the aspect, its polarity; a sentence once per aspect."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ecomgpt.sources.readers.item import Item, Malformed, Source, clean
from ecomgpt.sources.readers.lines import Line, read_lines
from ecomgpt.sources.records import Aspect, Review

OPTIONS: dict[str, str] = {
    "spaced": "true where blanks separate characters and must go (false)",
    "placeholder": "what stands for the aspect ($T$)",
}


@dataclass(slots=True)
class _Sentence:
    """A restored sentence with the polarities that each of its terms was given, in the order of the file."""

    line: int
    given: dict[tuple[str, tuple[int, ...]], list[str]] = field(default_factory=dict)


def read_triples(source: Source) -> Iterator[Item]:
    """Reads a file of triples into one review a sentence; a row is a triple.

    The triples of one sentence need not be neighbours, so the sentences of one file are held in memory.
    """
    sentences: dict[str, _Sentence] = {}
    for lines in _threes(source):
        if len(lines) < 3:
            yield Item(lines[0].number, bad="the last example is cut off: it needs text, aspect and polarity")
            continue
        try:
            text, term, starts, polarity = _example(source, lines)
        except Malformed as error:
            yield Item(lines[0].number, bad=str(error))
            continue
        sentence = sentences.setdefault(text, _Sentence(lines[0].number))
        sentence.given.setdefault((term, starts), []).append(polarity)
    for text, sentence in sentences.items():
        yield from _review(source, text, sentence)


def _threes(source: Source) -> Iterator[list[Line]]:
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


def _example(source: Source, lines: list[Line]) -> tuple[str, str, tuple[int, ...], str]:
    """The restored text, its term, the places where the term stood, and the polarity shown."""
    for line in lines:
        if line.bad:
            raise Malformed(f"line {line.number} {line.bad}")
    mark = source.option("placeholder", "$T$")
    template, term = clean(lines[0].text), clean(lines[1].text)
    if source.option("spaced"):
        template, term = "".join(template.split()), "".join(term.split())
    if mark not in template:
        raise Malformed(f"the text holds no {mark}; texts, aspects and polarities are out of step from here on")
    if not term:
        raise Malformed("the aspect is empty")
    starts, text = [], ""
    for place, part in enumerate(template.split(mark)):
        if place:
            starts.append(len(text))
            text += term
        text += part
    return text, term, tuple(starts), source.label("polarity", clean(lines[2].text), source.language(text))


def _review(source: Source, text: str, sentence: _Sentence) -> Iterator[Item]:
    aspects: dict[tuple[int, int], Aspect] = {}
    kept, repeated, contrary = 0, 0, 0
    for (term, starts), polarities in sentence.given.items():
        spread = len(polarities) <= len(starts)
        if not spread and len(set(polarities)) > 1:
            contrary += len(polarities)
            continue
        # A term that occurs twice was replaced twice in each of its rows: the k-th row speaks of the k-th place.
        for start, polarity in zip(starts, polarities, strict=False):
            aspect = Aspect(polarity, term, "", start, start + len(term))
            known = aspects.setdefault((start, start + len(term)), aspect)
            kept, repeated = (kept + 1, repeated) if known is aspect else (kept, repeated + 1)
        repeated += max(0, len(polarities) - len(starts))
    if repeated:
        yield Item(sentence.line, rows=repeated, dropped="exact repeat")
    if contrary:
        yield Item(sentence.line, rows=contrary, dropped="contradicting polarities of one aspect")
    if aspects:
        language = source.language(text)
        ordered = tuple(aspects[place] for place in sorted(aspects))
        yield Item(
            sentence.line,
            (Review(**source.head(sentence.line, text, language), text=text, aspects=ordered),),
            rows=kept,
        )
