"""Answers rows through a few slots: a finished row makes room for the next at once, so no row waits for another.

In float32 a row's answer is the one that it has alone, whatever else is answered with it: rounding differs with the
company, so where two choices lay closer than rounding (`ecomgpt.eval.decoding.search.CLOSE`) the row is read again
alone.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ecomgpt.eval.decoding.prepare import prepared
from ecomgpt.eval.decoding.search import Next, RowSearch
from ecomgpt.eval.decoding.store import Store

PROMPT_TOKENS = 2048
"""Prompt tokens that are read at once; more would cost memory and be no faster."""
SHRINK = 0.75
"""Slots are as large as the longest row needs; once this share of their size is enough for the rest, there are more."""


def decode(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    search: Callable[[], RowSearch],
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
    # The longest first, so that trouble with memory shows at once.
    order = sorted(range(len(prompts)), key=lambda at: (-len(prompts[at]), at))
    exact = model.dtype == torch.float32 and len(prompts) > 1
    again = []
    with prepared(model):
        for index, done in _stream(_Slots(model, prompts, search().width, limit, batch_tokens), prefix, order, search):
            if done.close and exact:
                again.append(index)
            else:
                yield index, done.output
        for index in again:
            for _, done in _stream(_Slots(model, prompts, search().width, limit, 0), (), [index], search):
                yield index, done.output


@dataclass(frozen=True)
class _Slots:
    """How many slots of which size the rows need."""

    model: PreTrainedModel
    prompts: Sequence[Sequence[int]]
    width: int
    limit: int
    batch_tokens: int

    def size(self, rows: Iterable[int]) -> tuple[int, int]:
        """Slots and their capacity."""
        lengths = [len(self.prompts[row]) for row in rows]
        capacity = max(lengths) + self.limit * self.width
        return min(len(lengths), max(1, self.batch_tokens // capacity)), capacity

    def store(self, rows: Sequence[int], prefix: Sequence[int]) -> Store:
        store = Store(self.model, *self.size(rows), self.width)
        store.share(prefix)
        return store

    def fit(self, store: Store, rows: Iterable[int]) -> None:
        """Changes the slots once the rows that are left need smaller ones."""
        slots, capacity = self.size(rows)
        if slots > store.slots and capacity <= SHRINK * store.capacity:
            store.resize(slots, capacity)


def _stream(
    room: _Slots, prefix: Sequence[int], order: Sequence[int], make: Callable[[], RowSearch]
) -> Iterator[tuple[int, RowSearch]]:
    if not order:
        return
    waiting = deque(order)
    live: list[tuple[int, RowSearch]] = []
    following: list[Next] = []
    store = room.store(order, prefix)
    while waiting or live:
        if waiting:
            room.fit(store, [*waiting, *(index for index, _ in live)])
        while waiting and len(live) < store.slots:
            fresh = _take(waiting, room.prompts, store.slots - len(live), store.shared)
            searches = [make() for _ in fresh]
            hidden = store.read([room.prompts[index] for index in fresh])
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
    while waiting and len(taken) < most and tokens + len(prompts[waiting[0]]) - shared <= PROMPT_TOKENS:
        taken.append(waiting.popleft())
        tokens += len(prompts[taken[-1]]) - shared
    return taken


def _advance(store: Store, hidden: Tensor, searches: Sequence[RowSearch], beams: int) -> list[Next]:
    """Advances each row's search by the best next tokens of its beams."""
    values, tokens = store.best(hidden, searches[0].count, normalise=searches[0].width > 1)
    return [
        search.advance(values[at * beams : (at + 1) * beams], tokens[at * beams : (at + 1) * beams])
        for at, search in enumerate(searches)
    ]


def _leave(store: Store, live: list[tuple[int, RowSearch]], following: list[Next]) -> Iterator[tuple[int, RowSearch]]:
    """Rows that are done; the last slot takes the place of each, here as in the store."""
    for slot in reversed(range(len(live))):
        if not following[slot]:
            yield live[slot]
            store.release(slot)
            last, after = live.pop(), following.pop()
            if slot < len(live):
                live[slot], following[slot] = last, after
