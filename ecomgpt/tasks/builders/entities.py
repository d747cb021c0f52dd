"""Tasks on texts with entities or attribute values: recognise them, type them, or rebuild the text from them."""

import re
from dataclasses import replace

from ecomgpt.sources.records import Entity, EntityText
from ecomgpt.tasks.draft import CHOICES, Built, Context, Draft, pick, single_valued

_WORD = re.compile(r"\s\w+")
_ALL_OR_NONE = "all types occur or none does"


def recognise(record: EntityText, context: Context) -> Built:
    """The whole task: every type with its terms."""
    pairs = tuple(dict.fromkeys((entity.type, entity.term) for entity in record.entities))
    return Draft(record.text, pairs, _types(record, context))


def spans(record: EntityText, context: Context) -> Built:
    """The terms alone, of all types. Slot: types."""
    types = _types(record, context)
    if not types:
        return "the text has no entity and the source declares no types"
    present = tuple(dict.fromkeys(entity.type for entity in record.entities))
    return Draft(record.text, _terms(record), slots={"types": context.shortlist(types, present)})


def spans_of_type(record: EntityText, context: Context) -> Built:
    """The terms of one type, which may be absent from the text. Slot: type."""
    types = _types(record, context)
    present = [type_ for type_ in types if any(entity.type == type_ for entity in record.entities)]
    absent = [type_ for type_ in types if type_ not in present]
    # An answer "None" teaches little when it is all too common: ask for an absent type in one of four rows.
    wanted = present if present and (not absent or context.random.random() < 0.75) else absent
    if not wanted:
        return "the text has no entity and the source declares no types"
    type_ = context.random.choice(wanted)
    return Draft(record.text, _terms(record, type_), slots={"type": type_})


def type_of_span(record: EntityText, context: Context) -> Built:
    """The type of a given term. Slot: term."""
    types = _types(record, context)
    typed = _single_typed(record)
    if not typed:
        return "the text has no entity of one type"
    return [Draft(record.text, (type_,), types, {"term": term}) for term, type_ in typed.items()]


def has_type(record: EntityText, context: Context) -> Built:
    """Whether the text names anything of a type. Slot: type."""
    types = _types(record, context)
    present = [type_ for type_ in types if any(entity.type == type_ for entity in record.entities)]
    absent = [type_ for type_ in types if type_ not in present]
    if not present or not absent:
        return _ALL_OR_NONE
    holds = context.coin()
    type_ = context.random.choice(present if holds else absent)
    return context.yes_no(record.text, holds, type=type_)


def types_present(record: EntityText, context: Context) -> Built:
    """Which types occur."""
    types = _types(record, context)
    found = tuple(dict.fromkeys(entity.type for entity in record.entities))
    if len(types) < 2 or not set(types) - set(found):
        return _ALL_OR_NONE
    return Draft(record.text, found, types)


def type_fits(record: EntityText, context: Context) -> Built:
    """Whether a given type is a given term's. Slots: term, type."""
    types = _types(record, context)
    typed = _single_typed(record)
    if not typed or len(types) < 2:
        return "the text has no entity of one type"
    term, right = context.random.choice(list(typed.items()))
    wrong = [other for other in types if other != right]
    return context.check(record.text, right, wrong, "type", term=term)


def whole_span(record: EntityText, context: Context) -> Built:
    """Whether a given stretch of text is a complete entity, or one with its end cut off or grown. Slot: term."""
    terms = _terms(record)
    wrong = [
        (entity.term, text) for entity in record.entities for text in _misread(record.text, entity) if text not in terms
    ]
    if not wrong:
        return "no entity has a wrong boundary that could be asked for"
    right, broken = context.random.choice(wrong)
    holds = context.coin()
    return context.yes_no(record.text, holds, term=right if holds else broken)


def count(record: EntityText, context: Context) -> Built:
    """How many different entities there are."""
    terms = _terms(record)
    if len(terms) > 6:
        return "more entities than the candidates count"
    return Draft(record.text, (str(len(terms)),), [str(number) for number in range(7)])


def text_from_entities(record: EntityText, context: Context) -> Built:
    """The text from its entities."""
    if len(_terms(record)) < 2:
        return "fewer than two entities say too little"
    return Draft(_listing(record), (record.text.strip(),))


def entities_fit(record: EntityText, context: Context) -> Built:
    """Whether entities are this text's: others come from another text, or are its own with one term exchanged."""
    terms = _terms(record)
    if not terms:
        return "the text has no entity"
    others = context.others(record, lambda other: _foreign(other, record))
    if not others:
        return "no other text has different entities"
    holds = context.coin()
    listing = _listing(record) if holds else _exchanged(record, others[0], context)
    return context.yes_no(context.fields(Text=record.text, Entities=listing), holds)


def pick_text(record: EntityText, context: Context) -> Built:
    """Which text the given entities come from."""
    if not _terms(record):
        return "the text has no entity"
    others = context.others(
        record,
        lambda other: other.text != record.text and not all(term in other.text for term in _terms(record)),
        CHOICES - 1,
    )
    return pick(context, record.text, [other.text for other in others], "Texts", Entities=_listing(record))


def _exchanged(record: EntityText, other: EntityText, context: Context) -> str:
    """Another text's entities or, in half of the rows, the record's own with one term of the other text."""
    types = {entity.type for entity in other.entities}
    places = [at for at, entity in enumerate(record.entities) if entity.type in types]
    if not places or len(_terms(record)) < 2 or context.coin():
        return _listing(other)
    at = context.random.choice(places)
    term = next(entity.term for entity in other.entities if entity.type == record.entities[at].type)
    entities = [*record.entities[:at], replace(record.entities[at], term=term), *record.entities[at + 1 :]]
    return _listing(replace(record, entities=tuple(entities)))


def _foreign(other: EntityText, record: EntityText) -> bool:
    """Whether the other text's entities can't be those of the record: none of them stands in the record's text."""
    return bool(other.entities) and not any(entity.term in record.text for entity in other.entities)


def _misread(text: str, entity: Entity) -> list[str]:
    """The entity with its last word (character, in a text without blanks) left out, and with the next one added."""
    rest = text[entity.end :]
    if " " in text:
        following = _WORD.match(rest)
        found = [entity.term.rpartition(" ")[0], entity.term + following.group() if following else ""]
    else:
        found = [entity.term[:-1], entity.term + rest[0] if rest and rest[0].isalnum() else ""]
    return [text for text in found if text]


def _types(record: EntityText, context: Context) -> tuple[str, ...]:
    """The declared types or, in an open set, those that the text has and those that it certainly lacks."""
    own = (*(entity.type for entity in record.entities), *record.absent)
    return context.labels("entity", record.language) or tuple(dict.fromkeys(own))


def _terms(record: EntityText, type_: str | None = None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entity.term for entity in record.entities if type_ in (None, entity.type)))


def _single_typed(record: EntityText) -> dict[str, str]:
    """Term to type, without the terms that carry two types in this text."""
    return single_valued((entity.term, entity.type) for entity in record.entities)


def _listing(record: EntityText) -> str:
    return "; ".join(dict.fromkeys(f"{entity.type}: {entity.term}" for entity in record.entities))
