"""Several processes give what one gives, in the same order; what goes wrong in one of them reaches the caller."""

import os
from collections.abc import Iterator
from functools import partial

import pytest

from ecomgpt.common.errors import UserError
from ecomgpt.data.parallel import AHEAD, ordered


class Work:
    """Counts the items of its process; slow for the first items, so that later ones end earlier."""

    def __init__(self, broken: int | None = None) -> None:
        self.broken = broken

    def __call__(self, item: int) -> tuple[int, int]:
        if item == self.broken:
            raise UserError(f"item {item} is broken", advice=["mend it"])
        if item == -1:
            os._exit(3)
        total = sum(range(200_000 if item < 3 else 10))
        return item * item, os.getpid() if total else 0


def test_results_come_in_order_from_several_processes() -> None:
    results = list(ordered(Work, range(40), 2))
    assert [square for square, _ in results] == [n * n for n in range(40)]
    processes = {process for _, process in results}
    assert 1 <= len(processes) <= 2 and os.getpid() not in processes


@pytest.mark.parametrize("items", [[], [5]])
def test_no_process_is_started_for_a_single_item(items: list[int]) -> None:
    assert list(ordered(Work, items, 4)) == [(n * n, os.getpid()) for n in items]


def test_only_a_few_items_are_taken_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    stream = ordered(Work, items(), 2)
    assert next(stream)[0] == 0 and len(taken) <= 2 + AHEAD + 1
    stream.close()  # type: ignore[attr-defined]


def test_a_users_mistake_comes_back_whole() -> None:
    with pytest.raises(UserError) as caught:
        list(ordered(partial(Work, 7), range(20), 2))
    assert caught.value.problems == ("item 7 is broken",) and caught.value.advice == ("mend it",)


def test_a_killed_process_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"was killed.*data\.processes=1"):
        list(ordered(Work, [1, 2, -1, 3], 2))
