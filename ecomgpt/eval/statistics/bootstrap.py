"""Percentile bootstrap over rows (Efron and Tibshirani, 1993), all metrics of a task in one matrix product."""

import hashlib
from collections.abc import Iterator

import numpy as np

_CHUNK = 20_000_000  # Most numbers of a block of resampling weights: 160 MB.


def resample(sums: np.ndarray, samples: int, key: str) -> np.ndarray:
    """Sums over resampled rows.

    Args:
        sums: (rows, columns) per-row sums.
        samples: How many resamples.
        key: Decides them. Equal keys and row counts give equal resamples, which pairs two runs on the same rows.

    Returns:
        (samples, columns).
    """
    return np.concatenate([weights @ sums for weights in draws(len(sums), samples, key)])


def draws(rows: int, samples: int, key: str) -> Iterator[np.ndarray]:
    """How often each row is drawn, in blocks of resamples.

    Args:
        rows: How many there are.
        samples: How many resamples, over all blocks.
        key: Decides them, as in `resample`.

    Yields:
        (block, rows), float.
    """
    chance = np.random.default_rng(int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest()))
    block = max(1, min(samples, _CHUNK // max(rows, 1)))
    for start in range(0, samples, block):
        # A resample of n rows is a multinomial draw.
        yield chance.multinomial(rows, np.full(rows, 1 / rows), size=min(block, samples - start)).astype(float)


def interval(values: np.ndarray) -> tuple[float, float]:
    """The central 95 %."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
