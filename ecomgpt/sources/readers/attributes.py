"""The ways in which files write attributes and their values, and where the values stand in a text."""

import re
from typing import Any

from ecomgpt.sources.readers.cells import Cells
from ecomgpt.sources.readers.item import Malformed, clean
from ecomgpt.sources.readers.pseudo_json import parse_pseudo_json
from ecomgpt.sources.records import Entity

Pairs = tuple[tuple[str, str], ...]
_OTHER_SHAPE = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What taking nested values apart raises where they are not of the shape that their form has."""


def attributes_of(cells: Cells, value: Any) -> Pairs:
    """A cell's attributes as (name, value) pairs, in the file's order, without those that say "there is none".

    Forms: ``scores`` is {name: {value: 1}}, ``mapping`` is {name: value or [values]}, ``pairs`` is
    "name#value*name#value", ``pseudo_json`` is ``name: { value:x, unit:y }``, ``name_value`` is [{name: n, value: v}].

    Raises:
        Malformed: If the cell is not in the declared form.
    """
    found, absent = _all(cells, value), _absent(cells)
    kept = tuple((name, one) for name, one in found if one and one not in absent)
    if len(kept) < len(found) and cells.source.option("attributes", {}).get("form") != "pseudo_json":
        # A row may be asked for its attributes by two builders; the note is about the row.
        cells.notes["attribute without a value"] = len(found) - len(kept)
    return tuple(dict.fromkeys(kept))


def absent_attributes(cells: Cells, value: Any) -> tuple[str, ...]:
    """The names of the attributes that the cell marks as absent, with one of the values declared for that."""
    marks = _absent(cells)
    if not marks:
        return ()
    found = _all(cells, value)
    stated = {name for name, one in found if one and one not in marks}
    return tuple(dict.fromkeys(name for name, one in found if one in marks and name not in stated))


def _absent(cells: Cells) -> set[str]:
    return {str(one) for one in cells.source.option("absent", ())}


def _all(cells: Cells, value: Any) -> list[tuple[str, str]]:
    """Every pair as the cell holds it, cleaned."""
    settings = cells.source.option("attributes", {})
    form = settings.get("form", "mapping")
    if form == "pairs":
        found = _split(str(value), settings.get("item", "*"), settings.get("pair", "#"))
    elif form == "pseudo_json":
        found = parse_pseudo_json(str(value))
    elif form == "name_value":
        try:
            found = [(str(one["name"]), str(one["value"])) for one in value]
        except _OTHER_SHAPE as error:
            said = f"the attributes {str(value)[:60]!r} are not a list of {{name: ..., value: ...}}"
            raise Malformed(said) from error
    elif isinstance(value, dict):
        # An object as a value lists {value: score} in the form of scores; elsewhere a text can't state it.
        listed = [(name, one) for name, values in value.items() for one in _listed(values, form) if one is not None]
        found = [(name, str(one)) for name, one in listed]
    else:
        raise Malformed(f"the attributes {str(value)[:60]!r} are not an object of names and values")
    return [(clean(name), cells.plain(one)) for name, one in found]


def _listed(values: Any, form: str) -> list[Any]:
    if isinstance(values, dict):
        return list(values) if form == "scores" else []
    return values if isinstance(values, list) else [values]


def _split(text: str, item: str, pair: str) -> list[tuple[str, str]]:
    found = []
    for part in text.split(item):
        name, sign, value = part.partition(pair)
        if not sign:
            raise Malformed(f"the attribute {part[:60]!r} has no {pair!r} between name and value")
        found.append((name, value))
    return found


def occurrences(cells: Cells, text: str) -> tuple[Entity, ...]:
    """The places of the row's attribute values in the text: the first as a whole word, else the first of all.

    Entities given with their offsets (``entities``: [{start, end, label}]) are taken as they stand.
    """
    if cells.has("entities"):
        try:
            return tuple(_given(one, text) for one in cells.raw("entities"))
        except _OTHER_SHAPE as error:
            said = f"the entities {str(cells.raw('entities'))[:60]!r} are not a list of {{start, end, label}}"
            raise Malformed(said) from error
    found = []
    for name, value in attributes_of(cells, cells.raw("attributes")):
        whole = re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text)
        start = whole.start() if whole else text.find(value)
        if start < 0:
            cells.note("attribute value that does not occur in the text")
            continue
        found.append(Entity(name, start, start + len(value), value))
    return tuple(sorted(found, key=lambda one: (one.start, one.end, one.type)))


def _given(one: dict[str, Any], text: str) -> Entity:
    start, end = int(one["start"]), int(one["end"])
    if not 0 <= start < end <= len(text):
        raise Malformed(f"an entity's offsets ({start}, {end}) lie outside the text of {len(text)} characters")
    return Entity(str(one.get("label", one.get("type", ""))), start, end, text[start:end])


def paragraph_entities(cells: Cells) -> tuple[str, tuple[Entity, ...]]:
    """The first paragraph (the title) with the values whose evidence lies in it, as MAVE writes them."""
    paragraphs = cells.raw("text")
    if not isinstance(paragraphs, list) or not paragraphs:
        raise Malformed("'paragraphs' is empty; the released labels must be joined with the product texts first")
    found = []
    try:
        text = str(paragraphs[0]["text"])
        for attribute in cells.raw("attributes"):
            for evidence in attribute["evidences"]:
                if evidence["pid"] != 0:
                    cells.note("attribute value outside the title")
                    continue
                start, end = int(evidence["begin"]), int(evidence["end"])
                if text[start:end] != evidence["value"]:
                    raise Malformed(f"the value {evidence['value']!r} does not stand at ({start}, {end})")
                found.append(Entity(attribute["key"], start, end, text[start:end]))
    except _OTHER_SHAPE as error:
        raise Malformed(
            "paragraphs or attributes are not as MAVE writes them: [{text: ...}] and "
            "[{key: ..., evidences: [{value, pid, begin, end}]}]"
        ) from error
    return text, tuple(sorted(found, key=lambda one: (one.start, one.end, one.type)))


_INLINE = re.compile(r"<(/?)([^<>/]+)>")


def tagged_entities(tagged: str) -> tuple[str, tuple[Entity, ...]]:
    """The text without its inline tags, and the entities that they mark.

    >>> tagged_entities("a <color>red</color> shoe")
    ('a red shoe', (Entity(type='color', start=2, end=5, term='red'),))

    Raises:
        Malformed: If a tag is closed that is not open, or left open.
    """
    text, at, open_tag, begun, found = "", 0, "", 0, []
    for tag in _INLINE.finditer(tagged):
        text += tagged[at : tag.start()]
        at = tag.end()
        closing, name = bool(tag.group(1)), tag.group(2)
        if closing != bool(open_tag) or (closing and name != open_tag):
            state = f"<{open_tag}> is open" if open_tag else "none is open"
            raise Malformed(f"the tag {tag.group()!r} does not fit: {state}")
        if closing and len(text) > begun:
            found.append(Entity(name, begun, len(text), text[begun:]))
        open_tag, begun = ("" if closing else name), len(text)
    if open_tag:
        raise Malformed(f"the tag '<{open_tag}>' is not closed")
    return text + tagged[at:], tuple(found)
