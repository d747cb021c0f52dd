"""Do the intervals hold the truth as often as they say, and do the p-values err as seldom? By simulation, with known
truths."""

import numpy as np
import pytest

from ecomgpt.eval.metrics.items import MICRO_F1
from ecomgpt.eval.rows import Answer, EvalRow
from ecomgpt.eval.statistics.bootstrap import interval, resample
from ecomgpt.eval.statistics.paired import Difference, holm, paired
from ecomgpt.tasks.prompt import Prompt

pytestmark = pytest.mark.slow

WORLDS = 1000


@pytest.mark.parametrize("rows", [50, 250])
@pytest.mark.parametrize("truth", [0.2, 0.5, 0.9])
def test_an_interval_of_a_share_holds_the_truth(rows: int, truth: float) -> None:
    chance = np.random.default_rng(rows)
    held = 0
    for world in range(WORLDS):
        right = (chance.random((rows, 1)) < truth).astype(float)
        low, high = interval(resample(right, 1000, f"{world}")[:, 0] / rows)
        held += low <= truth <= high
    assert 0.91 <= held / WORLDS <= 0.975


def test_an_interval_of_micro_f1_holds_the_truth() -> None:
    """Rows with 1 to 4 gold labels, each found with chance 0.6, and a wrong label with chance 0.5: P = 0.6 g / (0.6 g +
    0.5)."""
    chance = np.random.default_rng(1)
    truth = 2 * 0.6 * 2.5 / (0.6 * 2.5 + 0.5 + 2.5)
    held = 0
    for world in range(WORLDS):
        gold = chance.integers(1, 5, 200)
        hits = chance.binomial(gold, 0.6)
        sums = np.stack([hits, hits + chance.binomial(1, 0.5, 200), gold], axis=1).astype(float)
        low, high = interval(MICRO_F1.compute(resample(sums, 1000, f"{world}")))
        held += low <= truth <= high
    assert 0.92 <= held / WORLDS <= 0.97


def _runs(world: int, rows: int, gain: float) -> tuple[list[Answer], list[Answer]]:
    """Two models on the same rows, whose answers depend on each other, because rows are easy or hard for both."""
    chance = np.random.default_rng((world, rows))
    easy = chance.beta(1, 1, rows)
    found: tuple[list[Answer], list[Answer]] = ([], [])
    for at in range(rows):
        row = EvalRow(
            id=f"w{world}/{at}",
            task=f"w{world}",
            prompt=Prompt("", "", ""),
            target="a",
            candidates=("a", "b"),
            form="label",
            kind="CLS",
        )
        for answers, ability in zip(found, (easy[at], min(1.0, easy[at] + gain)), strict=True):
            answers.append(Answer(row, "a" if chance.random() < ability else "b"))
    return found


@pytest.mark.parametrize("rows", [40, 200])
def test_equal_models_are_called_different_as_seldom_as_said(rows: int) -> None:
    called = [paired(*_runs(world, rows, 0.0), "accuracy", 500).p < 0.05 for world in range(WORLDS)]
    assert 0.03 <= np.mean(called) <= 0.07


def test_better_models_are_found() -> None:
    called = [paired(*_runs(world, 200, 0.25), "accuracy", 500).p < 0.05 for world in range(200)]
    assert np.mean(called) > 0.9


def test_an_interval_of_a_difference_holds_the_truth() -> None:
    held = 0
    for world in range(WORLDS):
        found = paired(*_runs(world, 100, 0.0), "accuracy", 500)
        held += found.low <= 0 <= found.high
    assert 0.92 <= held / WORLDS <= 0.97


def test_holm_holds_the_error_over_twelve_tasks() -> None:
    """Of families of twelve comparisons without any difference, at most some 5 % have a corrected p-value below
    0.05."""
    chance = np.random.default_rng(3)
    wrong = 0
    for _ in range(2000):
        family = {str(task): Difference("m", 0, 0, 0, 0, 0, p, p) for task, p in enumerate(chance.random(12))}
        wrong += any(one.p_holm < 0.05 for one in holm(family).values())
    assert 0.03 <= wrong / 2000 <= 0.06
