"""Tasks on search queries and the products shown for them; the relevance labels are declared best first."""

from ecomgpt.sources.records import Search
from ecomgpt.tasks.draft import CHOICES, Built, Context, Draft, pick
from ecomgpt.tasks.pool import points_to

_NO_BEST = "no shown product fits the query best"
_NO_INTENT = "the query has no annotated intent"


def relevance(record: Search, context: Context) -> Built:
    """How well a product fits the query."""
    labels = context.labels("relevance", record.language)
    return [
        Draft(context.fields(Query=record.query, Product=title), (label,), labels) for title, label in record.results
    ] or _NO_BEST


def fits(record: Search, context: Context) -> Built:
    """Whether a shown product fits the query: of the best and of the worst label, half each."""
    best, worst = _of(record, context, 0), _of(record, context, -1)
    if not best or not worst:
        return "no shown product fits, or all do"
    holds = context.coin()
    title = context.random.choice(best if holds else worst)
    return context.yes_no(context.fields(Query=record.query, Product=title), holds)


def select(record: Search, context: Context) -> Built:
    """The one product, among those that were shown, that fits best."""
    best = _of(record, context, 0)
    if not best:
        return _NO_BEST
    right = context.random.choice(best)
    wrong = [title for title, _ in record.results if title not in best]
    context.random.shuffle(wrong)
    return pick(context, right, wrong[: CHOICES - 1], "Documents", Query=record.query)


def better_of_two(record: Search, context: Context) -> Built:
    """Which of two shown products fits better."""
    labels = context.labels("relevance", record.language)
    rank = {title: labels.index(label) for title, label in record.results if label in labels}
    titles = list(rank)
    context.random.shuffle(titles)
    first = titles[0] if titles else ""
    other = next((title for title in titles[1:] if rank[title] != rank[first]), None)
    if other is None:
        return "all shown products fit equally well"
    right, wrong = (first, other) if rank[first] < rank[other] else (other, first)
    return pick(context, right, [wrong], "Products", Query=record.query)


def query_of_product(record: Search, context: Context) -> Built:
    """The query that leads to a product."""
    best = _of(record, context, 0)
    return Draft(context.fields(Product=context.random.choice(best)), (record.query,)) if best else _NO_BEST


def product_of_query(record: Search, context: Context) -> Built:
    """The title of a product that fits the query."""
    best = _of(record, context, 0)
    return Draft(context.fields(Query=record.query), (context.random.choice(best),)) if best else _NO_BEST


def pick_query(record: Search, context: Context) -> Built:
    """Which query leads to the product."""
    best = _of(record, context, 0)
    if not best:
        return _NO_BEST
    title = context.random.choice(best)
    others = _foreign(record, title, context, CHOICES - 1)
    return pick(context, record.query, [other.query for other in others], "Queries", Product=title)


def select_from_others(record: Search, context: Context) -> Built:
    """The product that fits the query, among products that were best for other queries."""
    best = _of(record, context, 0)
    if not best:
        return _NO_BEST
    shown = {title for title, _ in record.results}
    others = context.others(record, lambda other: _differs(other, record, context), CHOICES - 1)
    wrong = [title for other in others for title in _of(other, context, 0)[:1] if title not in shown]
    return pick(context, context.random.choice(best), wrong, "Documents", Query=record.query)


def intent(record: Search, context: Context) -> Built:
    """What the query asks for, as attribute and value."""
    if not record.intent:
        return _NO_INTENT
    types = context.labels("query_attribute", record.language) or tuple(
        dict.fromkeys(name for name, _ in record.intent)
    )
    return Draft(record.query, tuple(dict.fromkeys(record.intent)), types)


def intent_values(record: Search, context: Context) -> Built:
    """The words of the query that name a wanted value."""
    return (
        Draft(record.query, tuple(dict.fromkeys(value for _, value in record.intent))) if record.intent else _NO_INTENT
    )


def type_of_value(record: Search, context: Context) -> Built:
    """Which attribute a word of the query asks for. Slot: value."""
    names = tuple(dict.fromkeys(name for name, _ in record.intent))
    known = context.labels("query_attribute", record.language) or tuple(
        context.pool.vocabulary(record, "query attributes", lambda other: [name for name, _ in other.intent])
    )
    values = [value for _, value in record.intent]
    drafts = [
        Draft(record.query, (name,), known, {"value": value})
        for name, value in record.intent
        if values.count(value) == 1
    ]
    return drafts if names and drafts else _NO_INTENT


def query_of_intent(record: Search, context: Context) -> Built:
    """The query from what it asks for."""
    if len(record.intent) < 2:
        return _NO_INTENT
    colon, semicolon = ("：", "；") if context.chinese else (": ", "; ")
    wanted = semicolon.join(f"{name}{colon}{value}" for name, value in record.intent)
    return Draft(context.fields(Intent=wanted), (record.query,))


def _of(record: Search, context: Context, rank: int) -> list[str]:
    """The shown products of the best (0) or the worst (-1) label."""
    labels = context.labels("relevance", record.language)
    return [title for title, label in record.results if labels and label == labels[rank]]


def _differs(other: Search, record: Search, context: Context) -> bool:
    """Whether another query certainly wants something else: a value that contradicts, or no product in common."""
    if other.query == record.query or other.group == record.group:
        return False
    if record.intent and other.intent:
        mine, theirs = dict(record.intent), dict(other.intent)
        return any(mine[name] != theirs[name] for name in mine.keys() & theirs.keys())
    shown = {title for title, _ in record.results}
    words = set(record.query.casefold().split())
    if shown & {title for title, _ in other.results} or words & set(other.query.casefold().split()):
        return False
    # Chinese has no blanks between words: two queries that share two characters in a row may want the same.
    return not points_to(record.query, other.query)


def _foreign(record: Search, title: str, context: Context, count: int) -> list[Search]:
    """Queries that do not lead to a product: they want something else, and no value they name stands in its title."""
    folded = title.casefold()

    def foreign(other: Search) -> bool:
        named = [value.casefold() for _, value in other.intent] or other.query.casefold().split()
        return _differs(other, record, context) and not all(value in folded for value in named)

    return context.others(record, foreign, count)
