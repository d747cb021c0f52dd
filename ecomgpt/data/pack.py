"""Packing: examples of different lengths into rows of one length, without waste and without mixing them up."""

from bisect import bisect_left, insort

import numpy as np

WINDOW = 4096
"""Examples that are sorted and packed together; a row never mixes windows, so that the order stays random at large."""


def pack(lengths: np.ndarray, row_tokens: int, seed: int) -> list[np.ndarray]:
    """Best-fit-decreasing packing of shuffled examples.

    Which examples share a row depends on lengths, row length and seed alone: not on the number of processes.

    Args:
        lengths: Tokens of each example, shape (examples,), integers from 1 to ``row_tokens``.
        row_tokens: Capacity of a row in tokens.
        seed: Decides the order of windows and rows.

    Returns:
        Rows in training order: arrays of example indices; every example occurs exactly once.

    Raises:
        ValueError: If an example is longer than a row.
    """
    if len(lengths) and int(lengths.max()) > row_tokens:
        raise ValueError(f"an example of {int(lengths.max())} tokens does not fit into a row of {row_tokens}")
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(lengths))
    rows: list[list[int]] = []
    for start in range(0, len(order), WINDOW):
        rows += _best_fit(order[start : start + WINDOW], lengths, row_tokens)
    return [np.asarray(rows[index], dtype=np.int64) for index in generator.permutation(len(rows))]


def _best_fit(indices: np.ndarray, lengths: np.ndarray, row_tokens: int) -> list[list[int]]:
    """Longest first, each into the fullest row that still has room."""
    rows: list[list[int]] = []
    space: list[tuple[int, int]] = []  # (free tokens, row), sorted
    for index in indices[np.argsort(-lengths[indices], kind="stable")]:
        need = int(lengths[index])
        position = bisect_left(space, (need, -1))
        if position == len(space):
            rows.append([int(index)])
            free, row = row_tokens, len(rows) - 1
        else:
            free, row = space.pop(position)
            rows[row].append(int(index))
        if free - need > 0:
            insort(space, (free - need, row))
    return rows
