"""Tasks on pairs of texts: how they relate, and which partner is the right one.

The first label of the axis ``relation`` is the one under which the two belong together.
"""

import re

from ecomgpt.sources.records import TextPair
from ecomgpt.tasks.draft import CHOICES, Built, Context, Draft, one_line, pick
from ecomgpt.tasks.pool import draw

_MODEL = re.compile(r"(?<!\w)(?=[\w.-]*\d)(?=[\w.-]*[A-Za-z])\w[\w.-]{2,}\w(?!\w)")
"""What looks like a model number: letters and digits in one word."""


def relate(record: TextPair, context: Context) -> Built:
    """The relation of the two texts."""
    first, second = _sides(context)
    shown = f"{first}: {one_line(record.left)}\n{second}: {one_line(record.right)}"
    return Draft(
        shown, (record.relation,), context.labels("relation", record.language), {"first": first, "second": second}
    )


def pick_partner(record: TextPair, context: Context) -> Built:
    """Which text belongs to the first one, best among those that people judged wrong. Slots: first, second."""
    if not _together(record, context):
        return "the two do not belong together"
    first, second = _sides(context)
    partners = {pair.right for pair in _same_left(record, context) if _together(pair, context)}
    judged = [pair.right for pair in _same_left(record, context) if not _together(pair, context)]
    wrong = [text for text in judged if text not in partners]
    others = draw(
        context.random,
        context.pool.same(record),
        lambda pair: pair.right not in partners and not _share_model(pair.right, record) and pair.left != record.left,
        CHOICES - 1,
    )
    wrong = (wrong + [pair.right for pair in others])[: CHOICES - 1]
    draft = pick(context, record.right, wrong, "Candidates", Text=one_line(record.left))
    if isinstance(draft, Draft):
        draft.slots |= {"first": first, "second": second}
    return draft


def partner(record: TextPair, context: Context) -> Built:
    """The second text from the first. Slots: first, second."""
    if not _together(record, context):
        return "the two do not belong together"
    if record.left.strip() == record.right.strip():
        return "the two are the same text"
    first, second = _sides(context)
    return Draft(
        f"{first}: {one_line(record.left)}", (one_line(record.right),), slots={"first": first, "second": second}
    )


def shared_words(record: TextPair, context: Context) -> Built:
    """The words that look like a model number and stand in both texts."""
    left, right = _models(record.left), _models(record.right)
    if not left or not right:
        return "a text has no model number"
    first, second = _sides(context)
    folded = {word.casefold() for word in right}
    shared = tuple({word.casefold(): word for word in left if word.casefold() in folded}.values())
    return Draft(f"{first}: {one_line(record.left)}\n{second}: {one_line(record.right)}", shared)


def model_numbers(record: TextPair, context: Context) -> Built:
    """The words of the first text that look like a model number."""
    found = {word.casefold(): word for word in _models(record.left)}
    return Draft(record.left, tuple(found.values())) if found else "the text has no model number"


def _sides(context: Context) -> tuple[str, str]:
    sides = context.dataset.sides
    return (sides[0], sides[1]) if len(sides) == 2 else ("Text 1", "Text 2")


def _together(record: TextPair, context: Context) -> bool:
    labels = context.labels("relation", record.language)
    return bool(labels) and record.relation == labels[0]


def _same_left(record: TextPair, context: Context) -> list[TextPair]:
    return context.pool.same(record, "left", lambda pair: pair.left)


def _models(text: str) -> list[str]:
    return _MODEL.findall(text)


def _share_model(text: str, record: TextPair) -> bool:
    """Whether a text names a model number of the pair: then it may be the same product after all."""
    folded = text.casefold()
    return any(word.casefold() in folded for word in _models(record.left) + _models(record.right))
