"""Micro-batches that a thread makes ahead come in order, raise where they are asked for, and leave no thread behind."""

import threading
import time

import pytest
from torch.utils.data import Dataset

from ecomgpt.data.prefetch import AHEAD, AheadLoader


class Numbers(Dataset):
    def __init__(self, total: int, bad: int | None = None) -> None:
        self.total, self.bad, self.made = total, bad, 0

    def __len__(self) -> int:
        return self.total

    def __getitem__(self, index: int) -> int:
        if index == self.bad:
            raise ValueError(f"number {index}")
        self.made += 1
        return index


def threads() -> int:
    return sum(thread.name.startswith("micro-batches") for thread in threading.enumerate())


def test_items_come_in_order_and_again() -> None:
    loader = AheadLoader(Numbers(20), batch_size=None)
    assert list(loader) == list(loader) == list(range(20))
    assert threads() == 0


def test_an_error_comes_after_the_items_before_it() -> None:
    seen = []
    with pytest.raises(ValueError, match="number 3"):
        for item in AheadLoader(Numbers(9, bad=3), batch_size=None):
            seen.append(item)
    assert seen == [0, 1, 2] and threads() == 0


def test_it_runs_ahead_a_little_and_stops_with_its_reader() -> None:
    numbers = Numbers(1000)
    items = iter(AheadLoader(numbers, batch_size=None))
    assert next(items) == 0
    for _ in range(200):
        if numbers.made > AHEAD:
            break
        time.sleep(0.01)
    assert AHEAD < numbers.made <= AHEAD + 3
    items.close()  # type: ignore[attr-defined]
    assert threads() == 0
