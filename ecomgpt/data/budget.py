"""Mixtures of one size: what is over the budget is removed from the token files, in the seeded order."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ecomgpt.common.errors import UserError
from ecomgpt.config.schema import DataConfig
from ecomgpt.data.store import Examples, keep_only

Removed = Counter[tuple[str, int]]
"""How many examples were removed, by reason and number of their task."""


def keep_to_budget(data: DataConfig, keys: np.ndarray, folder: Path) -> tuple[dict[str, Any], float, Removed]:
    """Removes what is over ``data.budget`` from the training split's token files.

    Args:
        data: The mixture's configuration.
        keys: The sort key of each instruction, shape (instructions,).
        folder: The split's token files.

    Returns:
        What was requested and what was reached; the share of the examples that is kept; what was removed.

    Raises:
        UserError: If the mixture is smaller: mixtures of one budget must not differ in size unnoticed.
    """
    budget = data.budget
    wanted = {key: value for key, value in dataclasses.asdict(budget).items() if value is not None}
    if not wanted:
        return {}, 1.0, Counter()
    examples = Examples(folder)
    there = {"examples": len(examples), "target_tokens": int(examples.num_targets.sum())}
    short = [
        f"data.budget.{key}={value}: the mixture data={data.name} has only {there[key]}; mixtures that are to be "
        f"compared must be of one size, so give all of them data.budget.{key}={there[key]} or less, or raise "
        "data.max_examples_per_task"
        for key, value in wanted.items()
        if there[key] < value
    ]
    if short:
        raise UserError(*short)
    keys = keys[examples.rows]
    kept = within_budget(examples.num_targets, keys, budget.examples, budget.target_tokens)
    if not kept.any():
        least = int(examples.num_targets[np.argmin(keys)])
        raise UserError(
            f"data.budget.target_tokens={budget.target_tokens}: the first example alone has {least} answer tokens; "
            f"give {least} or more"
        )
    reached = {"examples": int(kept.sum()), "target_tokens": int(examples.num_targets[kept].sum())}
    return {"wanted": wanted, **reached}, float(kept.mean()), _remove(folder, examples, kept)


def keep_share(share: float, keys: np.ndarray, folder: Path) -> Removed:
    """Cuts the validation split like the training split: a gauge must not cost more than the training.

    ``keys`` holds the sort key of each instruction, shape (instructions,).
    """
    examples = Examples(folder)
    wanted = max(1, round(share * len(examples)))
    return _remove(folder, examples, within_budget(examples.num_targets, keys[examples.rows], wanted, None))


def _remove(folder: Path, examples: Examples, kept: np.ndarray) -> Removed:
    if not kept.all():
        keep_only(folder, kept)
    return Counter(("over_budget", task) for task in examples.tasks[~kept].tolist())


def within_budget(
    num_targets: np.ndarray, keys: np.ndarray, examples: int | None, target_tokens: int | None
) -> np.ndarray:
    """The first examples of the seeded order up to a budget; a smaller budget's are among a larger one's.

    Args:
        num_targets: Answer tokens of each example, shape (examples,).
        keys: Its sort key, same shape.
        examples: How many to keep; None for no limit.
        target_tokens: How many answer tokens to keep; None for no limit. It is reached to within one example.

    Returns:
        Which are kept, shape (examples,), bool.
    """
    order = np.argsort(keys, kind="stable")
    kept = np.ones(len(num_targets), dtype=bool)
    if examples is not None:
        kept[order[examples:]] = False
    if target_tokens is not None:
        kept[order[np.cumsum(num_targets[order], dtype=np.int64) > target_tokens]] = False
    return kept
