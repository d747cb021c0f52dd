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
        rows_per_step: Rows of one optimizer step, over all processes and micro-batches.
        steps: Number of optimizer steps.
        row_tokens: Capacity of a row.
    """

    rows: list[np.ndarray]
    rows_per_step: int
    steps: int
    row_tokens: int

    def step_examples(self, step: int) -> np.ndarray:
        """Indices of all examples of an optimizer step."""
        rows = self.rows[step * self.rows_per_step : (step + 1) * self.rows_per_step]
        return np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)


def plan(
    lengths: np.ndarray, row_tokens: int, batch_tokens: int, epochs: float, max_steps: int | None, seed: int
) -> Plan:
    """Packs as many epochs as the run needs.

    Args:
        lengths: Tokens of each example, shape (examples,).
        row_tokens: Capacity of a row.
        batch_tokens: Tokens of an optimizer step; a multiple of ``row_tokens``.
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
        weighting: What has an equal share of the loss: ``token``, ``example`` or ``task``.
    """

    def __init__(
        self, examples: Examples, plan: Plan, rank: int, world: int, micro_rows: int, pad: int, weighting: str = "token"
    ) -> None:
        self.examples, self.plan = examples, plan
        self.rank, self.world, self.micro_rows, self.pad = rank, world, micro_rows, pad
        self.accumulate = plan.rows_per_step // (world * micro_rows)
        self.loss_divisor = loss_divisor(examples, weighting)

    def __len__(self) -> int:
        return self.plan.steps * self.accumulate

    def __getitem__(self, index: int) -> dict[str, torch.Tensor | float]:
        """One micro-batch; see `collate`. Past the last row of the data it holds no targets, but never nothing."""
        step, micro = divmod(index, self.accumulate)
        first = step * self.plan.rows_per_step + (micro * self.world + self.rank) * self.micro_rows
        rows = self.plan.rows[first : first + self.micro_rows]
        batch: dict[str, torch.Tensor | float] = {**collate(self.examples, rows, self.pad, self.loss_divisor)}
        batch["normaliser"] = self._normaliser(step)
        return batch

    def _normaliser(self, step: int) -> float:
        """Sum of the weights of a whole step's targets, over all processes and micro-batches."""
        examples = self.plan.step_examples(step)
        return float((self.examples.num_targets[examples] / self.loss_divisor[examples]).sum())


def loss_divisor(examples: Examples, weighting: str) -> np.ndarray:
    """The divisor of each target token's loss.

    Args:
        examples: All examples.
        weighting: ``token``: each target weighs 1. ``example``: the targets of an example weigh 1 together. ``task``:
            the targets of a task weigh 1 together, over the whole data.

    Returns:
        Shape (examples,), int64: whole numbers, which no precision rounds on the way to the loss.
    """
    if weighting == "token":
        return np.ones(len(examples), dtype=np.int64)
    if weighting == "example":
        return examples.num_targets.astype(np.int64)
    return np.bincount(examples.tasks, weights=examples.num_targets).astype(np.int64)[examples.tasks]


def collate(
    examples: Examples, rows: list[np.ndarray], pad: int, divisor: np.ndarray | None = None
) -> dict[str, torch.Tensor]:
    """The examples of packed rows, one after another without padding: S examples, T tokens, N targets.

    Returns:
        ``input_ids`` (1, T) int64; ``positions`` (1, T) int64, from 0 in each example; ``lengths`` (S,) int64, tokens
        of each example; ``target_index`` (N,) int64, places whose next token is to be predicted; ``targets`` (N,)
        int64, these
        tokens: answers and ends of sequence; ``loss_divisor`` (N,) int64, see the function of this name. Without
        examples one padding token and no target.
    """
    indices = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
    if not len(indices):
        nothing = torch.empty(0, dtype=torch.int64)
        return {
            "input_ids": torch.tensor([[pad]]),
            "positions": torch.tensor([[0]]),
            "lengths": torch.tensor([1]),
            "target_index": nothing,
            "targets": nothing,
            "loss_divisor": nothing,
        }
    lengths = examples.lengths[indices].astype(np.int64)
    answers = examples.num_targets[indices].astype(np.int64)
    ends = np.cumsum(lengths)
    tokens = np.concatenate([examples.ids(int(index)) for index in indices]).astype(np.int64)
    # Where each example's targets lie: the last `answer` tokens before its end.
    places = np.repeat(ends - np.cumsum(answers), answers) + np.arange(answers.sum())
    return {
        "input_ids": torch.from_numpy(tokens)[None],
        "positions": torch.from_numpy(np.arange(len(tokens)) - np.repeat(ends - lengths, lengths))[None],
        "lengths": torch.from_numpy(lengths),
        "target_index": torch.from_numpy(places - 1),
        "targets": torch.from_numpy(tokens[places]),
        "loss_divisor": torch.from_numpy(
            np.repeat(np.ones_like(answers) if divisor is None else divisor[indices], answers)
        ),
    }
