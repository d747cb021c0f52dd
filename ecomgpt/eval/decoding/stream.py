"""Answers rows through a few slots: a row that is done makes room for the next one at once, so no row waits for another.

In float32 a row's answer is the one that it has alone, whatever else is answered with it: rounding differs with the
company, so where two choices lay closer than rounding (`ecomgpt.eval.decoding.search.CLOSE`) the row is read again alone.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import torch
from transformers import PreTrainedModel

from ecomgpt.eval.decoding.attention import prepared
from ecomgpt.eval.decoding.search import Next, Search
from ecomgpt.eval.decoding.store import Store

READ_TOKENS = 2048
"""Prompt tokens that are read at once; more costs memory and is no faster."""
SPREAD = 0.6
"""Prompts shorter than this share of the longest one get slots of their own: slots are as large as the longest needs."""


def decode(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    search: Callable[[], Search],
    limit: int,
    batch_tokens: int,
    prefix: Sequence[int] = (),
) -> Iterator[tuple[int, list[int]]]:
    """Answers prompts, each once, as they are done.

    Args:
        model: A model that the engine knows.
        prompts: Token ids.
        search: Makes the search of one row.
        limit: Most new tokens.
        batch_tokens: Keys that all slots may hold together.
        prefix: What all prompts begin with; it is read once.

    Yields:
        The index of the prompt and its new tokens, without the end.
    """
    with prepared(model):
        for group in groups(prompts):
            again = []
            width = search().width
            capacity = len(prompts[group[0]]) + limit * width
            slots = min(len(group), max(1, batch_tokens // capacity))
            store = Store(model, slots, capacity, width)
            store.share(prefix)
            for index, done in _stream(store, prompts, group, search, slots):
                if done.close and model.dtype == torch.float32 and len(prompts) > 1:
                    again.append(index)
                else:
                    yield index, done.output
            for index in again:
                store = Store(model, 1, len(prompts[index]) + limit * width, width)
                for _, done in _stream(store, prompts, [index], search, 1):
                    yield index, done.output


def groups(prompts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Indices by length, the longest first, so that trouble with memory shows at once; of like length in a group."""
    order = sorted(range(len(prompts)), key=lambda at: (-len(prompts[at]), at))
    group: list[int] = []
    for at in order:
        if group and len(prompts[at]) < SPREAD * len(prompts[group[0]]):
            yield group
            group = []
        group.append(at)
    if group:
        yield group


def _stream(
    store: Store, prompts: Sequence[Sequence[int]], order: Sequence[int], make: Callable[[], Search], slots: int
) -> Iterator[tuple[int, Search]]:
    waiting = deque(order)
    live: list[tuple[int, Search]] = []
    following: list[Next] = []
    while waiting or live:
        while waiting and len(live) < slots:
            fresh = _take(waiting, prompts, slots - len(live), store.shared)
            searches = [make() for _ in fresh]
            hidden = store.read([prompts[index] for index in fresh])
            live += zip(fresh, searches, strict=True)
            following += _advance(store, hidden, searches, 1)
            yield from _leave(store, live, following)
        if live:
            tokens = [[token for _, token in beams] for beams in following]
            parents = [[parent for parent, _ in beams] for beams in following]
            hidden = store.step(tokens, parents)
            following = _advance(store, hidden, [search for _, search in live], store.width)
            yield from _leave(store, live, following)


def _take(waiting: deque[int], prompts: Sequence[Sequence[int]], most: int, shared: int) -> list[int]:
    taken = [waiting.popleft()]
    tokens = len(prompts[taken[0]]) - shared
    while waiting and len(taken) < most and tokens + len(prompts[waiting[0]]) - shared <= READ_TOKENS:
        taken.append(waiting.popleft())
        tokens += len(prompts[taken[-1]]) - shared
    return taken


def _advance(store: Store, hidden: torch.Tensor, searches: Sequence[Search], beams: int) -> list[Next]:
    """Each row's search, told the best next tokens of its beams."""
    values, tokens = store.best(hidden, searches[0].count, normalise=searches[0].width > 1)
    return [
        search.advance(values[at * beams : (at + 1) * beams], tokens[at * beams : (at + 1) * beams])
        for at, search in enumerate(searches)
    ]


def _leave(store: Store, live: list[tuple[int, Search]], following: list[Next]) -> Iterator[tuple[int, Search]]:
    """Rows that are done; the last slot takes the place of each, here as in the store."""
    for slot in reversed(range(len(live))):
        if not following[slot]:
            yield live[slot]
            store.release(slot)
            last, after = live.pop(), following.pop()
            if slot < len(live):
                live[slot], following[slot] = last, after
