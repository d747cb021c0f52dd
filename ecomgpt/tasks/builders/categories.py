"""Tasks on the categories of products: the last of the path or, with the option ``level: coarse``, the first."""

from ecomgpt.sources.records import Product
from ecomgpt.tasks.builders.products import shown
from ecomgpt.tasks.draft import Built, Context, Draft, pick

_NO_CATEGORY = "the product has no title or category, or there is no other category"


def category(record: Product, context: Context) -> Built:
    """The category, the finest or, with the option ``level: coarse``, the coarsest of the path."""
    right, names = _category(record, context), _categories(record, context)
    return Draft(shown(record, context), (right,), names) if right else _NO_CATEGORY


def is_category(record: Product, context: Context) -> Built:
    """Whether a given category is right. Slot: category."""
    right = _category(record, context)
    wrong = _wrong_categories(record, context)
    if not right or not wrong:
        return _NO_CATEGORY
    return context.check(record.title, right, wrong, "category")


def category_either(record: Product, context: Context) -> Built:
    """The right one of two categories."""
    right = _category(record, context)
    wrong = _wrong_categories(record, context)
    return Draft(record.title, (right,), (right, context.random.choice(wrong))) if right and wrong else _NO_CATEGORY


def same_category(record: Product, context: Context) -> Built:
    """Whether two products are of one category."""
    right = _category(record, context)
    if not right or not record.title:
        return _NO_CATEGORY
    like = context.draw(_by_category(record, context), lambda other: other.title not in ("", record.title))
    unlike = context.others(record, lambda other: bool(other.title) and _category(other, context) not in ("", right))
    if not like or not unlike:
        return "the block has no other product of this category, or only such"
    holds = context.coin()
    titles = f"1. {record.title}\n2. {(like if holds else unlike)[0].title}"
    return context.yes_no(titles, holds)


def odd_one_out(record: Product, context: Context) -> Built:
    """The one product that is not of the others' category."""
    right = _category(record, context)
    if not right or not record.title:
        return _NO_CATEGORY
    others = context.others(record, lambda other: bool(other.title) and _category(other, context) not in ("", right))
    if not others:
        return "the block has no product of another category"
    theirs = _category(others[0], context)
    like = context.draw(_by_category(others[0], context), lambda other: other.title not in ("", record.title), 3)
    if len(like) < 2 or theirs == right:
        return "the other category has too few products"
    return pick(context, record.title, [other.title for other in like], "Titles")


def _category(record: Product, context: Context) -> str:
    if not record.category:
        return ""
    if context.options.get("level") == "coarse":
        return record.category[0] if len(record.category) > 1 else ""
    return record.category[-1]


def _categories(record: Product, context: Context) -> list[str]:
    """The declared set; where it is open, the block's."""
    axis = "coarse_category" if context.options.get("level") == "coarse" else "category"
    declared = context.labels(axis, record.language)
    if declared:
        return list(declared)
    return context.pool.vocabulary(record, axis, lambda other: [name] if (name := _category(other, context)) else [])


def _wrong_categories(record: Product, context: Context) -> list[str]:
    """Categories that are not on the product's path; in half of the rows those beside its own, as they are harder."""
    wrong = [name for name in _categories(record, context) if name not in record.category]
    if len(record.category) > 1 and context.options.get("level") != "coarse" and context.coin():
        same_parent = context.pool.same(record, "parent category", lambda other: other.category[:-1])
        siblings = {other.category[-1] for other in same_parent}
        return [name for name in wrong if name in siblings] or wrong
    return wrong


def _by_category(record: Product, context: Context) -> list[Product]:
    level = context.options.get("level", "fine")
    return context.pool.same(record, f"category, {level}", lambda other: _category(other, context))
