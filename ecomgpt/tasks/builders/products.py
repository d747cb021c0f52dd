"""Tasks on products: brand, attributes, title and description, each from the others."""

from collections.abc import Callable

from ecomgpt.sources.records import Product
from ecomgpt.tasks.draft import CHOICES, Built, Context, Draft, pick
from ecomgpt.tasks.pool import states

_NO_ATTRIBUTES = "the product has no title, or too few attributes"
_NO_DESCRIPTION = "the product lacks a title, description or attributes"
_NO_CLUSTER = "no other offer of the same product in the block"
_NO_OTHER = "no other product that certainly differs in the block"


def brand(record: Product, context: Context) -> Built:
    """The brand, which the title names."""
    if not record.brand or record.brand.casefold() not in record.title.casefold():
        return "the title names no brand"
    start = record.title.casefold().index(record.brand.casefold())
    return Draft(record.title, (record.title[start : start + len(record.brand)],))


def is_brand(record: Product, context: Context) -> Built:
    """Whether the product is of a brand. Slot: brand."""
    if not record.brand:
        return "the product has no brand"
    names = context.pool.vocabulary(record, "brands", lambda other: [other.brand] if other.brand else [])
    wrong = context.draw(
        names, lambda name: name.casefold() not in record.title.casefold() and not _alike(name, record.brand)
    )
    if not wrong:
        return "the block has no other brand"
    holds = context.coin()
    return context.yes_no(shown(record, context), holds, brand=record.brand if holds else wrong[0])


def attributes_in_title(record: Product, context: Context) -> Built:
    """The attribute values that stand in the title, under their attribute's name; of some there is none."""
    if not record.attributes or not record.title:
        return _NO_ATTRIBUTES
    pairs = tuple(dict.fromkeys((name, value) for name, value in record.attributes if value in record.title))
    return Draft(record.title, pairs, _names(record))


def values_in_title(record: Product, context: Context) -> Built:
    """The attribute values that stand in the title, without names. Slot: names."""
    if not record.attributes or not record.title:
        return _NO_ATTRIBUTES
    values = tuple(dict.fromkeys(value for _, value in record.attributes if value in record.title))
    names = list(_names(record))
    context.random.shuffle(names)
    return Draft(record.title, values, slots={"names": ", ".join(names)})


def value_of_attribute(record: Product, context: Context) -> Built:
    """The value of one attribute, which the title or the description states, or certainly does not. Slot: attribute."""
    text = _text(record)
    stated = [((value,), name) for name, value in _single(record).items() if states(text, value)]
    drafts = [Draft(text, values, slots={"attribute": name}) for values, name in stated]
    # An answer "None" teaches little when it is all too common: one per record.
    drafts += [Draft(text, (), slots={"attribute": name}) for name in record.absent[:1] if stated]
    return drafts or "no attribute value stands in the text"


def name_of_value(record: Product, context: Context) -> Built:
    """Which attribute a value in the text is of. Slot: value."""
    text, single = _text(record), _single(record)
    values = list(single.values())
    stated = {value: name for name, value in single.items() if states(text, value) and values.count(value) == 1}
    if not stated or len(single) < 2:
        return "no attribute value stands in the text"
    value, name = context.random.choice(list(stated.items()))
    return Draft(text, (name,), tuple(single), {"value": value})


def attributes_of_text(record: Product, context: Context) -> Built:
    """All attributes from title and description, as one list."""
    if len(record.attributes) < 2:
        return _NO_ATTRIBUTES
    return Draft(_text(record), (_attributes(record, context),))


def attribute_fits(record: Product, context: Context) -> Built:
    """Whether one attribute value is this product's or another one's. Slots: attribute, value."""
    stated = [(name, value) for name, value in record.attributes if states(_text(record), value)]
    if not stated:
        return "no attribute value stands in the text"
    name, right = context.random.choice(stated)
    values = context.pool.vocabulary(
        record, f"values of {name}", lambda other: [v for n, v in other.attributes if n == name]
    )
    mine = {value for its, value in record.attributes if its == name}
    wrong = context.draw(
        values, lambda value: value not in mine and value not in _text(record) and not _alike(value, right)
    )
    if not wrong:
        return "the block has no other value of this attribute"
    holds = context.coin()
    slots = {"attribute": name, "value": right if holds else wrong[0]}
    return context.yes_no(_text(record), holds, **slots)


def title_from_attributes(record: Product, context: Context) -> Built:
    """The title from the attributes."""
    if len(record.attributes) < 2 or not record.title:
        return _NO_ATTRIBUTES
    return Draft(context.fields(Attributes=_attributes(record, context)), (record.title,))


def title_from_description(record: Product, context: Context) -> Built:
    """The title from the description."""
    if not record.description or not record.title:
        return _NO_DESCRIPTION
    return Draft(context.fields(Description=record.description), (record.title,))


def title_from_title(record: Product, context: Context) -> Built:
    """How another shop could title the same product."""
    others = context.draw(_same_product(record, context), lambda other: not _alike(other.title, record.title))
    return Draft(record.title, (others[0].title,)) if others else _NO_CLUSTER


def description_from_title(record: Product, context: Context) -> Built:
    """The description from the title."""
    if not record.description or not record.title:
        return _NO_DESCRIPTION
    return Draft(context.fields(Title=record.title), (record.description,))


def description_from_attributes(record: Product, context: Context) -> Built:
    """The description from the attributes, and the title where there is one."""
    if not record.description or len(record.attributes) < 2:
        return _NO_DESCRIPTION
    fields = {"Title": record.title} if record.title else {}
    return Draft(context.fields(**fields, Attributes=_attributes(record, context)), (record.description,))


def title_fits_attributes(record: Product, context: Context) -> Built:
    """Whether title and attributes are of one product."""
    if not record.attributes or not record.title:
        return _NO_ATTRIBUTES
    others = _others(record, context, lambda other: bool(other.attributes) and _contradicts(other, record), 1)
    if not others:
        return _NO_OTHER
    holds = context.coin()
    attributes = _attributes(record if holds else others[0], context)
    return context.yes_no(context.fields(Title=record.title, Attributes=attributes), holds)


def title_fits_description(record: Product, context: Context) -> Built:
    """Whether title and description are of one product."""
    if not record.description or not record.title:
        return _NO_DESCRIPTION
    others = _others(record, context, lambda other: bool(other.description) and _contradicts(other, record), 1)
    if not others:
        return _NO_OTHER
    holds = context.coin()
    description = (record if holds else others[0]).description
    return context.yes_no(context.fields(Title=record.title, Description=description), holds)


def pick_title(record: Product, context: Context) -> Built:
    """Which title belongs to the attributes."""
    if not record.attributes or not record.title:
        return _NO_ATTRIBUTES
    others = _others(record, context, lambda other: _contradicts(record, other), CHOICES - 1)
    return pick(
        context, record.title, [other.title for other in others], "Titles", Attributes=_attributes(record, context)
    )


def pick_title_of_description(record: Product, context: Context) -> Built:
    """Which title belongs to the description."""
    if not record.description or not record.title:
        return _NO_DESCRIPTION
    others = _others(record, context, lambda other: _contradicts(record, other), CHOICES - 1)
    return pick(context, record.title, [other.title for other in others], "Titles", Description=record.description)


def same_product(record: Product, context: Context) -> Built:
    """Whether two titles are of one product."""
    like = context.draw(_same_product(record, context), lambda other: not _alike(other.title, record.title))
    unlike = _others(record, context, lambda other: bool(other.cluster), 1) if like else []
    if not like or not unlike:
        return _NO_CLUSTER
    holds = context.coin()
    titles = f"1. {record.title}\n2. {(like if holds else unlike)[0].title}"
    return context.yes_no(titles, holds)


def pick_same_product(record: Product, context: Context) -> Built:
    """Which title is of the same product."""
    like = context.draw(_same_product(record, context), lambda other: not _alike(other.title, record.title))
    if not like:
        return _NO_CLUSTER
    others = _others(record, context, lambda other: bool(other.cluster), CHOICES - 1)
    return pick(context, like[0].title, [other.title for other in others], "Titles", Product=record.title)


def _names(record: Product) -> tuple[str, ...]:
    """The attributes that may be asked for: those that the product has, and those that it certainly does not state."""
    return tuple(dict.fromkeys((*(name for name, _ in record.attributes), *record.absent)))


def _same_product(record: Product, context: Context) -> list[Product]:
    if not record.cluster or not record.title:
        return []
    same = context.pool.same(record, "cluster", lambda other: other.cluster)
    return [other for other in same if other.title]


def _others(record: Product, context: Context, fits: Callable[[Product], bool], count: int) -> list[Product]:
    """Other products with a title, of the same category where there are enough: those are hard to tell apart."""

    def differs(other: Product) -> bool:
        return (
            bool(other.title)
            and other.group != record.group
            and not _alike(other.title, record.title)
            and (not record.cluster or other.cluster != record.cluster)
            and fits(other)
        )

    near = context.pool.same(record, "category path", lambda other: other.category)
    found = context.draw(near, differs, count)
    if len(found) < count:
        found += [other for other in context.others(record, differs, count - len(found)) if other not in found]
    return found


def _contradicts(source: Product, other: Product) -> bool:
    """Whether the source's attributes can't be the other product's.

    An attribute that both have must have different values, and the source's must not stand in the other's title or
    description (annotators name one of several values); or the source must state a value that the other's title and
    description do not mention while the other has none of its own.
    """
    theirs, text = set(other.attributes), _text(other)
    if source.attributes and other.attributes:
        names, told = {name for name, _ in theirs}, text.casefold()
        return any(
            name in names and (name, value) not in theirs and not states(told, value.casefold())
            for name, value in source.attributes
        )
    return source.category != other.category or any(value not in text for _, value in source.attributes)


def _single(record: Product) -> dict[str, str]:
    """The attributes that have one value."""
    names = [name for name, _ in record.attributes]
    return {name: value for name, value in record.attributes if names.count(name) == 1}


def _alike(left: str, right: str) -> bool:
    """Whether two names may be the same but for spelling."""
    left, right = left.casefold().replace(" ", ""), right.casefold().replace(" ", "")
    return left == right or (min(len(left), len(right)) > 3 and (left in right or right in left))


def _text(record: Product) -> str:
    return "\n".join(part for part in (record.title, record.description) if part)


def shown(record: Product, context: Context) -> str:
    """The title, and in half of the rows the attributes with it, as real classification inputs have them."""
    if record.attributes and context.coin():
        return f"{record.title}\n{_attributes(record, context)}"
    return record.title


def _attributes(record: Product, context: Context) -> str:
    colon, semicolon = ("：", "；") if context.chinese else (": ", "; ")
    return semicolon.join(f"{name}{colon}{value}" for name, value in record.attributes)
