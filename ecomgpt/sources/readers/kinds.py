"""One builder per record kind: it takes a row's cells and returns the record, or the reason why there is none."""

import ast

from ecomgpt.sources.readers.attributes import (
    absent_attributes,
    attributes_of,
    occurrences,
    paragraph_entities,
    tagged_entities,
)
from ecomgpt.sources.readers.cells import Cells, reach
from ecomgpt.sources.readers.item import Malformed, group_of, joined
from ecomgpt.sources.readers.pseudo_json import PSEUDO_JSON, parse_pseudo_json
from ecomgpt.sources.readers.turn_lists import dialogue
from ecomgpt.sources.records import (
    Aspect,
    Entity,
    EntityText,
    LabelledText,
    Product,
    Question,
    Record,
    Review,
    TextPair,
    Transfer,
)

EMPTY = "empty text"


def labelled_text(cells: Cells, kind: str) -> Record | str:
    name = "question" if not cells.has("text") else "text"
    text = cells.text(name)
    if not text:
        return EMPTY
    head = cells.head(kind, text)
    if kind:
        head["group"] = group_of(text)
    return LabelledText(**head, text=text, labels=cells.axes(head["language"]))


def text_pair(cells: Cells, kind: str) -> Record | str:
    left, right = _side(cells, "left"), _side(cells, "right")
    if not left or not right:
        return EMPTY
    head = cells.head(kind, left)
    relation = cells.source.label("relation", cells.raw("relation"), head["language"])
    return TextPair(**head, left=left, right=right, relation=relation)


def _side(cells: Cells, name: str) -> str:
    """A side as text; where it holds attributes in the declared form, as a line of names and values."""
    if cells.source.option("attributes", {}).get("side") == name:
        return joined(attributes_of(cells, cells.raw(name)), cells.source.dataset.language)
    return cells.text(name)


def question(cells: Cells, kind: str) -> Record | str:
    text = cells.text("question")
    if not text:
        return EMPTY
    span = bool(cells.source.option("span"))
    context = str(cells.raw("context") or "") if span else cells.text("context")
    answers = _spans(cells, context) if span else _answers(cells)
    marker = cells.source.option("marker", "")
    context = cells.plain(context.removesuffix(marker)) if span else context
    if cells.source.option("pseudo_json_context") and PSEUDO_JSON.match(context):
        context = joined(parse_pseudo_json(context), cells.source.dataset.language)
        if not context:
            return "attribute without a value"
    head = cells.head(kind, context or text)
    relevance = ""
    if cells.has("relevance"):
        relevance = cells.source.label("relevance", cells.raw("relevance"), head["language"])
    extractive = bool(answers) and bool(context) and all(answer in context for answer in answers)
    return Question(
        **head,
        question=text,
        context=context,
        answers=answers,
        relevance=relevance,
        product=cells.text("product"),
        extractive=extractive,
    )


def _answers(cells: Cells) -> tuple[str, ...]:
    value = cells.raw("answers") if cells.has("answers") else None
    values = value if isinstance(value, list) else [value]
    texts = (one.get("answerText", one.get("text", "")) if isinstance(one, dict) else one for one in values)
    return tuple(dict.fromkeys(answer for text in texts if text is not None and (answer := cells.plain(str(text)))))


def _spans(cells: Cells, context: str) -> tuple[str, ...]:
    """The answers by their offsets: the wording beside them is often re-tokenised, the offsets are right."""
    raw = cells.raw("answers")
    try:
        start, end = ast.literal_eval(raw) if isinstance(raw, str) else raw
    except (ValueError, SyntaxError, TypeError) as error:
        raise Malformed(f"the offsets {str(raw)[:60]!r} are not a pair of numbers") from error
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start <= end <= len(context)):
        raise Malformed(f"the offsets ({start}, {end}) lie outside the context of {len(context)} characters")
    text = context[start:end]
    marker = cells.source.option("marker", "").strip()
    if marker and marker in text:
        if text.strip() != marker:
            cells.note("answer that ran into the end marker, cut there")
        text = text.replace(marker, "")
    text = cells.plain(text)
    return (text,) if text else ()


def transfer(cells: Cells, kind: str) -> Record | str:
    target = cells.text("target")
    language = cells.source.language(target)
    source = cells.text("source")
    if cells.source.option("attributes"):
        pairs = attributes_of(cells, cells.raw("source"))
        if not pairs:
            return "attribute without a value"
        source = joined(pairs, language)
    if not source or not target:
        return EMPTY
    return Transfer(**cells.head(kind, source), source=source, target=target)


def product(cells: Cells, kind: str) -> Record | str:
    title, description = cells.text("title"), cells.text("description")
    raw = cells.raw("attributes") if cells.has("attributes") else None
    attributes = attributes_of(cells, raw) if raw is not None else ()
    if not title and not (attributes and description):
        return EMPTY
    text = title or joined(attributes, cells.source.dataset.language)
    cluster = cells.text("cluster")
    head = cells.head(kind, f"cluster {cluster}" if cluster else text)
    return Product(
        **head,
        title=title,
        category=_category(cells, head["language"]),
        brand=cells.text("brand"),
        attributes=attributes,
        description=description,
        cluster=cluster,
        absent=absent_attributes(cells, raw) if raw is not None else (),
    )


def _category(cells: Cells, language: str) -> tuple[str, ...]:
    """The path, coarsest first: from ``coarse_category`` and ``category``, either a list or one name."""
    values = {axis: cells.raw(axis) for axis in ("coarse_category", "category") if cells.has(axis)}
    found = (cells.labels(axis, value, language) for axis, value in values.items() if value is not None)
    return tuple(label for labels in found for label in labels if label)


def entity_text(cells: Cells, kind: str) -> Record | str:
    """A text with entities: by offsets where the file gives them, else where its attribute values occur."""
    absent: tuple[str, ...] = ()
    if cells.source.option("paragraphs"):
        text, entities = paragraph_entities(cells)
    elif cells.source.option("inline_tags"):
        text, entities = tagged_entities(cells.text("text"))
    else:
        text = cells.text("text") if cells.has("text") else cells.text("title")
        entities = occurrences(cells, text)
        if not cells.has("entities"):
            absent = absent_attributes(cells, cells.raw("attributes"))
    if not text:
        return EMPTY
    head = cells.head(kind, text)
    shown = tuple(
        Entity(cells.source.label("entity", one.type, head["language"]), one.start, one.end, one.term)
        for one in entities
    )
    named = tuple(cells.source.label("entity", name, head["language"]) for name in absent)
    return EntityText(**head, text=text, entities=shown, absent=named)


def review(cells: Cells, kind: str) -> Record | str:
    text = cells.text("text")
    if not text:
        return EMPTY
    head = cells.head(kind, text)
    rating, aspects = _rating(cells), _aspects(cells, head["language"])
    return Review(**head, text=text, aspects=aspects, rating=rating, product=cells.text("product"))


def _rating(cells: Cells) -> int | None:
    raw = cells.raw("rating") if cells.has("rating") else None
    if raw is None:
        return None
    try:
        stars = float(raw)
    except (TypeError, ValueError) as error:
        raise Malformed(f"the rating {str(raw)[:60]!r} is not a number") from error
    if stars not in (1, 2, 3, 4, 5):
        raise Malformed(f"the rating {raw} is not one of 1 to 5 stars")
    return int(stars)


def _aspects(cells: Cells, language: str) -> tuple[Aspect, ...]:
    """Aspect categories that have a column each: the keys of the declared categories are the columns."""
    if not cells.has("aspects"):
        return ()
    absent, found = {str(value) for value in cells.source.option("absent", ())}, []
    for column, shown in cells.source.dataset.names("category", language).items():
        value = str(reach(cells.row.values, column)).strip()
        if value not in absent:
            found.append(Aspect(cells.source.label("polarity", value, language), category=shown))
    return tuple(found)


MAKERS = {
    "LabelledText": labelled_text,
    "TextPair": text_pair,
    "Question": question,
    "Transfer": transfer,
    "Product": product,
    "EntityText": entity_text,
    "Review": review,
    "Dialogue": dialogue,
}
