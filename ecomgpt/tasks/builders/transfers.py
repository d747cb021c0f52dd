"""Tasks on a source text and the target text that belongs to it, such as attributes and their advertisement."""

import re

from ecomgpt.sources.records import Transfer
from ecomgpt.tasks.draft import CHOICES, Built, Context, Draft, pick
from ecomgpt.tasks.pool import states

_FACT = re.compile(r"([^:：;；]+)[:：]\s*([^;；]+)")


def generate(record: Transfer, context: Context) -> Built:
    """The target from the source."""
    return Draft(record.source, (record.target.strip(),))


def reverse(record: Transfer, context: Context) -> Built:
    """The source from the target."""
    return Draft(record.target, (record.source.strip(),))


def fits(record: Transfer, context: Context) -> Built:
    """Whether source and target belong together."""
    others = _others(record, context, 1)
    if not others:
        return "no other source that certainly differs in the block"
    holds = context.coin()
    source = (record if holds else others[0]).source
    return context.yes_no(context.fields(Facts=source, Text=record.target), holds)


def pick_target(record: Transfer, context: Context) -> Built:
    """Which text was written from the source."""
    others = [other.target for other in _others(record, context, CHOICES - 1)]
    return pick(context, record.target, others, "Texts", Facts=record.source)


def pick_source(record: Transfer, context: Context) -> Built:
    """Which source a text was written from."""
    others = [other.source for other in _others(record, context, CHOICES - 1)]
    return pick(context, record.source, others, "Candidates", Text=record.target)


def stated_values(record: Transfer, context: Context) -> Built:
    """Which of the source's values the text states word for word."""
    values = tuple(dict.fromkeys(value for _, value in _facts(record)))
    if len(values) < 2:
        return "the source holds fewer than two facts"
    stated = tuple(value for value in values if value in record.target)
    return Draft(context.fields(Facts=record.source, Text=record.target), stated)


def value_of_fact(record: Transfer, context: Context) -> Built:
    """The value of one fact, from the text. Slot: attribute."""
    facts = _facts(record)
    names = [name for name, _ in facts]
    found = [(name, value) for name, value in facts if states(record.target, value) and names.count(name) == 1]
    if not found:
        return "the text states no value word for word"
    name, value = context.random.choice(found)
    return Draft(record.target, (value,), slots={"attribute": name})


def _facts(record: Transfer) -> list[tuple[str, str]]:
    return [(name.strip(), value.strip()) for name, value in _FACT.findall(record.source) if value.strip()]


def _others(record: Transfer, context: Context, count: int) -> list[Transfer]:
    """Transfers whose source says something else: another value of a fact that both have, or no fact in common."""
    mine = dict(_facts(record))

    def differs(other: Transfer) -> bool:
        if other.source == record.source or other.target == record.target or other.group == record.group:
            return False
        theirs = dict(_facts(other))
        common = mine.keys() & theirs.keys()
        return not common or any(mine[name] != theirs[name] and theirs[name] not in record.target for name in common)

    return context.others(record, differs, count)
