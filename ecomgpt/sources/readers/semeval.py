"""The XML of SemEval's aspect-based sentiment tasks: 2014 (aspectTerm, aspectCategory) and 2015/2016 (Opinion)."""

from collections.abc import Callable, Iterator
from typing import Any

from ecomgpt.sources.readers.item import Item, Malformed, SourceFile
from ecomgpt.sources.readers.xml import elements, own_text
from ecomgpt.sources.records import Aspect, Review

OPTIONS: dict[str, str] = {}

AspectsOf = Callable[[SourceFile, str, Any, str], list[Aspect] | None]

NO_POLARITY = "aspects without polarity"


def read_semeval14(source: SourceFile) -> Iterator[Item]:
    """Reads ``<sentence><text/><aspectTerms><aspectTerm term polarity from to/>...``; a row is a sentence."""
    return _sentences(source, _terms)


def read_semeval15(source: SourceFile) -> Iterator[Item]:
    """Reads ``<sentence><text/><Opinions><Opinion category polarity [target from to]/>...``; a row is a sentence."""
    return _sentences(source, _opinions)


def _sentences(source: SourceFile, aspects_of: AspectsOf) -> Iterator[Item]:
    for number, sentence in enumerate(elements(source, "sentence"), 1):
        try:
            yield _sentence(source, number, sentence, aspects_of)
        except Malformed as error:
            yield Item(sentence.sourceline, bad=str(error))


def _sentence(source: SourceFile, number: int, sentence: Any, aspects_of: AspectsOf) -> Item:
    child = sentence.find("text")
    if child is None:
        raise Malformed("the sentence has no <text>")
    text = own_text(child)
    if sentence.attrib.get("OutOfScope", "").upper() == "TRUE":
        return Item(sentence.sourceline, dropped="out of scope, so its authors marked no opinions")
    if not text.strip():
        return Item(sentence.sourceline, dropped="empty text")
    language = source.language(text)
    aspects = aspects_of(source, text, sentence, language)
    if aspects is None:
        return Item(sentence.sourceline, dropped=NO_POLARITY)
    # Two opinions of one target and category with the same polarity say one thing.
    review = Review(**source.head(number, text, language), text=text, aspects=tuple(dict.fromkeys(aspects)))
    return Item(sentence.sourceline, (review,))


def _terms(source: SourceFile, text: str, sentence: Any, language: str) -> list[Aspect] | None:
    found = []
    for term in sentence.iter("aspectTerm"):
        if "polarity" not in term.attrib:
            return None
        polarity = source.label("polarity", term.attrib["polarity"], language)
        found.append(Aspect(polarity, *_place(text, term, "term")))
    for category in sentence.iter("aspectCategory"):
        if "polarity" not in category.attrib:
            return None
        polarity = source.label("polarity", category.attrib["polarity"], language)
        found.append(Aspect(polarity, category=source.label("category", _required(category, "category"), language)))
    return found


def _opinions(source: SourceFile, text: str, sentence: Any, language: str) -> list[Aspect] | None:
    found = []
    for opinion in sentence.iter("Opinion"):
        if "polarity" not in opinion.attrib:
            return None
        polarity = source.label("polarity", opinion.attrib["polarity"], language)
        category = source.label("category", _required(opinion, "category"), language)
        if opinion.attrib.get("target", "NULL") == "NULL":
            found.append(Aspect(polarity, category=category))
        else:
            term, _, start, end = _place(text, opinion, "target")
            found.append(Aspect(polarity, term, category, start, end))
    return found


def _place(text: str, element: Any, name: str) -> tuple[str, str, int, int]:
    """(term, "", start, end), as `Aspect` takes them.

    Raises:
        Malformed: If the offsets do not give the term.
    """
    term = _required(element, name)
    try:
        start, end = int(_required(element, "from")), int(_required(element, "to"))
    except ValueError as error:
        raise Malformed(f"the offsets of '{term}' are not numbers") from error
    if not 0 <= start < end <= len(text) or text[start:end] != term:
        raise Malformed(f"'{term}' does not stand at ({start}, {end}) of its sentence")
    return term, "", start, end


def _required(element: Any, name: str) -> str:
    if name not in element.attrib:
        raise Malformed(f"<{element.tag}> has no '{name}' (line {element.sourceline})")
    return element.attrib[name]
