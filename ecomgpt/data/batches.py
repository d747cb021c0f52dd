"""The whole training run as a list of micro-batches, planned before the first one.

A step's examples depend on the data and the seed alone. Processes and accumulation only share them out, so the same
command trains the same steps on one device or on many, and a resumed run continues at the right one.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from ecomgpt.data.pack import pack
from ecomgpt.data.store import Examples


@dataclass(frozen=True)
class Plan:
    """Rows of packed examples, in training order, and how many of them make a step.

    Attributes:
        rows: Arrays of example indices; all epochs after one another.
        rows_per_step: Rows of one optimiser step, over all processes and micro-batches.
        steps: Number of optimiser steps.
        row_tokens: Capacity of a row.
    """

    rows: list[np.ndarray]
    rows_per_step: int
    steps: int
    row_tokens: int

    def step_examples(self, step: int) -> np.ndarray:
        """Indices of all examples of an optimiser step."""
        rows = self.rows[step * self.rows_per_step : (step + 1) * self.rows_per_step]
        return np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)


def plan(lengths: np.ndarray, row_tokens: int, batch_tokens: int, epochs: float, max_steps: int | None, seed: int) -> Plan:
    """Packs as many epochs as the run needs.

    Args:
        lengths: Tokens of each example, shape (examples,).
        row_tokens: Capacity of a row.
        batch_tokens: Tokens of an optimiser step; a multiple of ``row_tokens``.
        epochs: Passes over the data; a fraction is rounded up to whole steps.
        max_steps: Exactly this many steps instead, with as many passes as they take.
        seed: Decides the order.
    """
    rows_per_step = batch_tokens // row_tokens
    rows = pack(lengths, row_tokens, seed)
    per_epoch = len(rows)
    wanted = max_steps * rows_per_step if max_steps else math.ceil(epochs * per_epoch)
    epoch = 1
    while len(rows) < wanted and per_epoch:
        rows += pack(lengths, row_tokens, seed + epoch * 1_000_003)
        epoch += 1
    rows = rows[:wanted]
    return Plan(rows, rows_per_step, math.ceil(len(rows) / rows_per_step), row_tokens)


class MicroBatches(Dataset):
    """The micro-batches of one process, by index: ``step * accumulate + micro``.

    Args:
        examples: The tokenised examples.
        plan: The run's plan.
        rank: This process.
        world: Number of processes.
        micro_rows: Rows that a process takes at once.
        pad: Id of the padding token.
        weighting: ``token``, or ``example`` for an equal share of the loss for each example.
    """

    def __init__(
        self, examples: Examples, plan: Plan, rank: int, world: int, micro_rows: int, pad: int, weighting: str = "token"
    ) -> None:
        self.examples, self.plan = examples, plan
        self.rank, self.world, self.micro_rows, self.pad = rank, world, micro_rows, pad
        self.accumulate = plan.rows_per_step // (world * micro_rows)
        self.weighting = weighting

    def __len__(self) -> int:
        return self.plan.steps * self.accumulate

    def __getitem__(self, index: int) -> dict[str, torch.Tensor | float]:
        """One micro-batch; see `collate`. Past the last row of the data it holds no targets, but never nothing."""
        step, micro = divmod(index, self.accumulate)
        first = step * self.plan.rows_per_step + (micro * self.world + self.rank) * self.micro_rows
        rows = self.plan.rows[first : first + self.micro_rows]
        batch: dict[str, torch.Tensor | float] = {**collate(self.examples, rows, self.pad, self.weighting)}
        batch["normaliser"] = self._normaliser(step)
        return batch

    def _normaliser(self, step: int) -> float:
        """Sum of the weights of a whole step's targets, over all processes and micro-batches."""
        examples = self.plan.step_examples(step)
        return float(len(examples) if self.weighting == "example" else self.examples.targets[examples].sum())


def collate(examples: Examples, rows: list[np.ndarray], pad: int, weighting: str = "token") -> dict[str, torch.Tensor]:
    """Packed rows as tensors; R rows, T tokens in the longest row, N targets.

    Returns:
        ``input_ids`` (R, T) int64; ``segments`` (R, T) int64, the example's number in its row, -1 for padding;
        ``positions`` (R, T) int64, from 0 in each example; ``target_index`` (N,) int64, positions in the flattened
        rows whose next token is to be predicted; ``targets`` (N,) int64, these tokens: answers and ends of sequence;
        ``weights`` (N,) float32.
    """
    packed = [[examples.ids(int(index)) for index in row] for row in rows] or [[]]
    width = max(1, *(sum(len(ids) for ids in row) for row in packed))
    shape = (len(packed), width)
    input_ids = np.full(shape, pad, dtype=np.int64)
    segments = np.full(shape, -1, dtype=np.int64)
    positions = np.zeros(shape, dtype=np.int64)
    index: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    for number, row in enumerate(packed):
        start = 0
        for segment, ids in enumerate(row):
            end = start + len(ids)
            answer = int(examples.targets[rows[number][segment]])
            input_ids[number, start:end] = ids
            segments[number, start:end] = segment
            positions[number, start:end] = np.arange(len(ids))
            index.append(number * width + np.arange(end - answer - 1, end - 1))
            targets.append(ids[-answer:])
            weights.append(np.full(answer, 1.0 / answer if weighting == "example" else 1.0, dtype=np.float32))
            start = end
    return {
        "input_ids": torch.from_numpy(input_ids),
        "segments": torch.from_numpy(segments),
        "positions": torch.from_numpy(positions),
        "target_index": torch.from_numpy(np.concatenate(index) if index else np.empty(0, dtype=np.int64)),
        "targets": torch.from_numpy(np.concatenate(targets).astype(np.int64) if targets else np.empty(0, dtype=np.int64)),
        "weights": torch.from_numpy(np.concatenate(weights) if weights else np.empty(0, dtype=np.float32)),
    }
