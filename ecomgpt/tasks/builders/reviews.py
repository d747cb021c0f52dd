"""Tasks on reviews with opinions: the aspects, how each is judged, the stars, and the product that is reviewed."""

from dataclasses import replace

from ecomgpt.sources.records import Aspect, Review
from ecomgpt.tasks.draft import CHOICES, TOO_COMMON, Built, Context, Draft, listed, one_line, pick, single_valued
from ecomgpt.tasks.pool import overlap, points_to

_NO_TERMS = "the review names no aspect term of one polarity"
_NO_CATEGORIES = "the review has no aspect category of one polarity, or all"
_NO_RATING = "the review has no stars"

CONTRARY = ("positive", "正面", "负面", "negative")
"""Polarities; the first excludes the last, and so on inwards."""


def terms_by_polarity(record: Review, context: Context) -> Built:
    """The whole task on terms: every polarity with the terms that are judged so."""
    typed = _polarity_of_terms(record)
    if typed is None:
        return _NO_TERMS
    return Draft(record.text, tuple((polarity, term) for term, polarity in typed.items()), _polarities(record, context))


def topics(record: Review, context: Context) -> Built:
    """Which aspect categories the review speaks of."""
    found = tuple(dict.fromkeys(aspect.category for aspect in record.aspects if aspect.category))
    aspects = _topics(record, context)
    return Draft(record.text, found, aspects) if found else _NO_CATEGORIES


def topics_by_polarity(record: Review, context: Context) -> Built:
    """The whole task on categories: every polarity with the categories that are judged so."""
    judged = _polarity_of_categories(record)
    if not judged:
        return _NO_CATEGORIES
    pairs = tuple((polarity, category) for category, polarity in judged.items())
    aspects = context.shortlist(_topics(record, context), list(judged))
    return Draft(record.text, pairs, _polarities(record, context), {"aspects": aspects})


def terms(record: Review, context: Context) -> Built:
    """The aspect terms alone."""
    found = tuple(dict.fromkeys(aspect.term for aspect in record.aspects if aspect.term))
    return Draft(record.text, found) if found else _NO_TERMS


def polarity_of_term(record: Review, context: Context) -> Built:
    """How one term is judged. Slot: aspect."""
    typed = _polarity_of_terms(record)
    if not typed:
        return _NO_TERMS
    polarities = _polarities(record, context)
    return [Draft(record.text, (polarity,), polarities, {"aspect": term}) for term, polarity in typed.items()]


def polarity_of_category(record: Review, context: Context) -> Built:
    """How one aspect category is judged. Slot: aspect."""
    judged = _polarity_of_categories(record)
    polarities = _polarities(record, context)
    drafts = [Draft(record.text, (polarity,), polarities, {"aspect": name}) for name, polarity in judged.items()]
    return drafts or _NO_CATEGORIES


def terms_of_polarity(record: Review, context: Context) -> Built:
    """The terms that are judged in one way. Slot: polarity."""
    typed = _polarity_of_terms(record)
    if not typed:
        return _NO_TERMS
    present = tuple(dict.fromkeys(typed.values()))
    absent = tuple(name for name in _polarities(record, context) if name not in present)
    # An answer "None" teaches little when it is all too common: ask for an absent polarity in one of four rows.
    polarity = context.random.choice(absent if absent and context.random.random() < 0.25 else present)
    return Draft(
        record.text, tuple(term for term, its in typed.items() if its == polarity), slots={"polarity": polarity}
    )


def polarity_holds(record: Review, context: Context) -> Built:
    """Whether a term is judged in a given way. Slots: aspect, polarity."""
    typed = _polarity_of_terms(record)
    polarities = _polarities(record, context)
    if not typed or len(polarities) < 2:
        return _NO_TERMS
    term, right = context.random.choice(list(typed.items()))
    wrong = [other for other in polarities if other != right]
    return context.check(record.text, right, wrong, "polarity", aspect=term)


def category_mentioned(record: Review, context: Context) -> Built:
    """Whether the review speaks of a category. Slot: aspect."""
    aspects = _topics(record, context)
    present = [name for name in aspects if any(aspect.category == name for aspect in record.aspects)]
    absent = [name for name in aspects if name not in present]
    if not present or not absent:
        return _NO_CATEGORIES
    holds = context.coin()
    asked = context.random.choice(present if holds else absent)
    return context.yes_no(record.text, holds, aspect=asked)


def category_of_term(record: Review, context: Context) -> Built:
    """The category of one term. Slot: aspect."""
    aspects = _topics(record, context)
    both = ((aspect.term, aspect.category) for aspect in record.aspects if aspect.term and aspect.category)
    drafts = [
        Draft(record.text, (category,), aspects, {"aspect": term}) for term, category in single_valued(both).items()
    ]
    return drafts or "no aspect has both a term and a category"


def mixed(record: Review, context: Context) -> Built:
    """Whether aspects are judged differently."""
    holds = _mixed(record)
    if holds is None:
        return "fewer than two opinions"
    if context.too_common(record, "mixed opinions", _mixed):
        return TOO_COMMON
    return context.yes_no(record.text, holds)


def rating(record: Review, context: Context) -> Built:
    """The stars."""
    if record.rating is None:
        return _NO_RATING
    return Draft(record.text, (str(record.rating),), ("1", "2", "3", "4", "5"))


def satisfied(record: Review, context: Context) -> Built:
    """Whether the stars are high; three stars say neither."""
    if record.rating is None:
        return _NO_RATING
    if record.rating == 3:
        return "three stars are neither high nor low"
    if context.too_common(record, "satisfied", lambda other: None if other.rating in (None, 3) else other.rating > 3):
        return TOO_COMMON
    return context.yes_no(record.text, record.rating > 3)


def review_from_opinions(record: Review, context: Context) -> Built:
    """A review that holds the given opinions."""
    if not record.aspects:
        return "the review has no opinion"
    fields = {"Opinions": _opinions(record.aspects)}
    if record.product:
        fields = {"Product": record.product, **fields}
    return Draft(context.fields(**fields), (record.text.strip(),))


def review_from_rating(record: Review, context: Context) -> Built:
    """A review of a product with the given stars."""
    if record.rating is None:
        return _NO_RATING
    fields = {"Product": record.product} if record.product else {}
    return Draft(context.fields(**fields, Rating=str(record.rating)), (record.text.strip(),))


def opinions_fit(record: Review, context: Context) -> Built:
    """Whether opinions are this review's: others come from another review, or are its own with one judged otherwise."""
    if not record.aspects:
        return "the review has no opinion"
    others = context.others(record, lambda other: _disagrees(other, record))
    turned = _turned(record, context)
    wrong = [*([others[0].aspects] if others else []), *([turned] if turned else [])]
    if not wrong:
        return "no other review has different opinions"
    holds = context.coin()
    opinions = _opinions(record.aspects if holds else context.random.choice(wrong))
    return context.yes_no(context.fields(Review=record.text, Opinions=opinions), holds)


def pick_review(record: Review, context: Context) -> Built:
    """Which review holds the given opinions."""
    if not record.aspects:
        return "the review has no opinion"
    others = context.others(record, lambda other: _disagrees(record, other), CHOICES - 1)
    return pick(context, record.text, [other.text for other in others], "Reviews", Opinions=_opinions(record.aspects))


def about_product(record: Review, context: Context) -> Built:
    """Whether a review is about a product."""
    others = _other_products(record, context, 1)
    if isinstance(others, str):
        return others
    holds = context.coin()
    product = record.product if holds else others[0]
    return context.yes_no(context.fields(Review=record.text, Product=product), holds)


def pick_product(record: Review, context: Context) -> Built:
    """Which product a review is about."""
    others = _other_products(record, context, CHOICES - 1)
    if isinstance(others, str):
        return others
    return pick(context, record.product, others, "Products", Review=record.text)


def better_of_two(record: Review, context: Context) -> Built:
    """Which of two reviews gave more stars."""
    mine = record.rating
    if mine is None:
        return _NO_RATING
    # A difference of one star is a matter of taste.
    others = context.others(
        record, lambda other: other.rating is not None and abs(other.rating - mine) > 1 and other.text != record.text
    )
    if not others:
        return "no other review has clearly more or fewer stars"
    texts = [one_line(record.text), one_line(others[0].text)]
    best = texts[0 if mine > (others[0].rating or 0) else 1]
    context.random.shuffle(texts)
    return Draft(listed(texts), (str(texts.index(best) + 1),), ("1", "2"))


def _mixed(record: Review) -> bool | None:
    """Whether the aspects are judged differently; None where there are fewer than two."""
    return len({aspect.polarity for aspect in record.aspects}) > 1 if len(record.aspects) > 1 else None


def _topics(record: Review, context: Context) -> tuple[str, ...]:
    """What reviews may be about: the axis ``aspect`` where ``category`` is taken by the products' categories."""
    return context.labels("aspect", record.language) or context.labels("category", record.language)


def _polarities(record: Review, context: Context) -> tuple[str, ...]:
    return context.labels("polarity", record.language)


def _polarity_of_terms(record: Review) -> dict[str, str] | None:
    """Term to polarity, or None where there is no term, or one is judged in two ways."""
    typed: dict[str, str] = {}
    for aspect in record.aspects:
        if aspect.term and typed.setdefault(aspect.term, aspect.polarity) != aspect.polarity:
            return None
    return typed or None


def _polarity_of_categories(record: Review) -> dict[str, str]:
    return single_valued((aspect.category, aspect.polarity) for aspect in record.aspects if aspect.category)


def _opinions(aspects: tuple[Aspect, ...]) -> str:
    return "; ".join(dict.fromkeys(f"{aspect.term or aspect.category}: {aspect.polarity}" for aspect in aspects))


def _turned(record: Review, context: Context) -> tuple[Aspect, ...]:
    """The record's opinions, one of them with the contrary polarity; empty where the polarities have no contrary.

    Positive and negative exclude each other; neutral and conflict are a matter of degree, so they are not turned.
    """
    contrary = dict(zip(CONTRARY, reversed(CONTRARY), strict=True))
    single = _polarity_of_terms(record) or {}
    places = [
        at
        for at, aspect in enumerate(record.aspects)
        if aspect.polarity in contrary and (not aspect.term or aspect.term in single)
    ]
    names = [aspect.term or aspect.category for aspect in record.aspects]
    places = [at for at in places if names.count(names[at]) == 1]
    if not places:
        return ()
    at = context.random.choice(places)
    aspects = list(record.aspects)
    aspects[at] = replace(aspects[at], polarity=contrary[aspects[at].polarity])
    return tuple(aspects)


def _disagrees(source: Review, review: Review) -> bool:
    """Whether the source's opinions can't be those of a review: none is shared, and a named term is not in the text."""
    if not source.aspects or source.text == review.text:
        return False
    shared = {(aspect.term or aspect.category, aspect.polarity) for aspect in review.aspects}
    for aspect in source.aspects:
        if (aspect.term or aspect.category, aspect.polarity) in shared:
            return False
        if aspect.term and aspect.term in review.text:
            return False
    # Categories that the review is not annotated with may still be in it, so only a contradiction is certain.
    names = {aspect.category for aspect in review.aspects}
    return any(aspect.term or aspect.category in names for aspect in source.aspects)


def _other_products(record: Review, context: Context, count: int) -> list[str] | str:
    if not record.product:
        return "the review's product is not known"
    # A title that shares most words with the right one may be the same product after all.
    found = context.draw(
        context.pool.vocabulary(record, "product", lambda other: [other.product] if other.product else []),
        lambda title: (
            title.casefold() != record.product.casefold()
            and title not in record.text
            and overlap(record.product, title) <= 0.5
        ),
        count,
    )
    if not found:
        return "no other product is reviewed"
    if not points_to(record.text, record.product, found):
        return "the review does not tell its product from others"
    return found
