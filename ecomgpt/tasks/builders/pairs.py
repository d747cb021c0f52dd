"""Tasks on pairs of texts: how they relate, and which partner is the right one.

The first label of the axis ``relation`` is the one under which the two belong together.
"""

import re

from ecomgpt.sources.records import TextPair
from ecomgpt.tasks.draft import CHOICES, TOO_COMMON, Built, Context, Draft, one_line, pick

_MODEL = re.compile(
    r"(?<![A-Za-z0-9.-])(?=[A-Za-z0-9.-]*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])(?![A-Za-z0-9])"
)
"""A word with a letter in it; `_models` decides whether it looks like a model number."""

_MEASURE = re.compile(
    r"[\d.,x/-]+-?[a-z]*|[a-z]{2,4}-?\d{1,2}|(usb|ddr|win|windows|mp|core|cat|wi-?fi|[xhi])-?[\d.]+", re.IGNORECASE
)
"""Sizes, counts and standards, which many products share: 16gb, 1080p, 3-season, usb3.0, win10."""
_CHINESE_SIDES = {"Text 1": "文本1", "Text 2": "文本2", "Product 1": "商品1", "Product 2": "商品2"}


def relate(record: TextPair, context: Context) -> Built:
    """The relation of the two texts."""
    if context.too_common(record, "relation", lambda other: other.relation):
        return TOO_COMMON
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
    others = context.others(
        record,
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
    shared = _shared(record)
    if shared is None:
        return "a text has no model number"
    if context.too_common(record, "shared", lambda other: None if (words := _shared(other)) is None else bool(words)):
        return TOO_COMMON
    first, second = _sides(context)
    return Draft(f"{first}: {one_line(record.left)}\n{second}: {one_line(record.right)}", shared)


def model_numbers(record: TextPair, context: Context) -> Built:
    """The words of the first text that look like a model number."""
    found = {word.casefold(): word for word in _models(record.left)}
    return Draft(record.left, tuple(found.values())) if found else "the text has no model number"


def _sides(context: Context) -> tuple[str, str]:
    """The names of the two sides, in the wording's language where declared (``labels: sides.zh``)."""
    sides = context.dataset.sides if len(context.dataset.sides) == 2 else ["Text 1", "Text 2"]
    names = {**_CHINESE_SIDES, **context.dataset.names("sides", "zh")} if context.chinese else {}
    return names.get(sides[0], sides[0]), names.get(sides[1], sides[1])


def _together(record: TextPair, context: Context) -> bool:
    labels = context.labels("relation", record.language)
    return bool(labels) and record.relation == labels[0]


def _same_left(record: TextPair, context: Context) -> list[TextPair]:
    return context.pool.same(record, "left", lambda pair: pair.left)


def _models(text: str) -> list[str]:
    """The words that look like a model number: letters and two digits or more, and no measure.

    >>> _models("sony 16gb camera dsch50b, 3-season, tn-360 (usb3.0) 暖阳K30")
    ['dsch50b', 'tn-360', 'K30']
    """
    return [
        word
        for word in _MODEL.findall(text)
        if sum(letter.isdigit() for letter in word) > 1 and (word[0].isupper() or not _MEASURE.fullmatch(word))
    ]


def _shared(record: TextPair) -> tuple[str, ...] | None:
    """The model numbers that stand in both texts, as the first spells them; None where one has no model number."""
    left, right = _models(record.left), {word.casefold() for word in _models(record.right)}
    if not left or not right:
        return None
    return tuple({word.casefold(): word for word in left if word.casefold() in right}.values())


def _share_model(text: str, record: TextPair) -> bool:
    """Whether a text names a model number of the pair: then it may be the same product after all."""
    folded = text.casefold()
    return any(word.casefold() in folded for word in _models(record.left) + _models(record.right))
