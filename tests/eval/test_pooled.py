"""The hierarchical bootstrap over rows and seeds: sums done by hand, tables, and simulations."""

import math

import numpy as np
import pytest

from ecomgpt.common.errors import UserError
from ecomgpt.eval.rows import Answer, EvalRow
from ecomgpt.eval.statistics import paired as statistics
from ecomgpt.eval.statistics.bootstrap import draws
from ecomgpt.eval.statistics.paired import Seeded, aligned, difference, estimate, mean, paired, seeded
from ecomgpt.tasks.prompt import Prompt


def answers(right: list[bool], task: str = "t") -> list[Answer]:
    rows = [
        EvalRow(
            id=f"{task}-{at}",
            task=task,
            prompt=Prompt("q ", str(at), ""),
            target="yes",
            candidates=("yes", "no"),
            form="label",
            kind="CLS",
        )
        for at in range(len(right))
    ]
    return [Answer(row, "yes" if good else "no") for row, good in zip(rows, right, strict=True)]


def arm(*runs: list[bool], samples: int = 10_000) -> Seeded:
    scored = seeded([answers(run) for run in runs], "micro_f1", samples)
    return Seeded(
        tuple(str(at) for at in range(len(runs))),
        np.array([value for value, _ in scored]),
        np.stack([drawn for _, drawn in scored]),
    )


def test_one_seed_is_the_paired_bootstrap() -> None:
    chance = np.random.default_rng(1)
    first, second = (list(chance.random(80) < share) for share in (0.5, 0.7))
    known = paired(answers(first), answers(second), "micro_f1")
    scored = seeded([answers(first), answers(second)], "micro_f1")
    one, other = (Seeded(("1",), np.array([value]), drawn[None]) for value, drawn in scored)
    found = difference(other, one)
    assert (found.value, found.low, found.high, found.p) == pytest.approx(
        (known.value, known.low, known.high, known.p), abs=1e-12
    )


def test_seeds_alone_give_students_interval() -> None:
    """Rows without noise: seeds of 1, 2, 3 have s^2 / k = 1/3 and two degrees of freedom: 2 +- 4.303 * sqrt(1/3)."""
    seeds = Seeded(("1", "2", "3"), np.array([1.0, 2.0, 3.0]), np.tile([[1.0], [2.0], [3.0]], 40_000))
    found = estimate(seeds)
    assert found.value == 2.0
    assert (found.high - 2.0, 2.0 - found.low) == pytest.approx((4.303 * math.sqrt(1 / 3),) * 2, rel=0.02)
    # t = 2 / sqrt(1/3) = 3.4641 on two degrees of freedom.
    assert found.p == pytest.approx(0.0742, abs=0.002)


def test_rows_alone_give_the_binomial_interval() -> None:
    """Three seeds that answer alike are one: p +- 1.96 sqrt(p (1 - p) / n), however many seeds there are."""
    right = [True] * 60 + [False] * 40
    found = estimate(arm(right, right, right))
    assert found.value == pytest.approx(0.6)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * math.sqrt(0.24 / 100), rel=0.03)


@pytest.mark.parametrize(("freedom", "quantile"), [(1, 12.706), (2, 4.303), (4.0, 2.776), (30, 2.042), (1e4, 1.960)])
def test_students_quantiles_are_those_of_the_tables(freedom: float, quantile: float) -> None:
    angles, tails = statistics._student(freedom)
    assert math.sqrt(freedom) * math.tan(np.interp(0.95, tails, angles)) == pytest.approx(quantile, abs=1e-3)


@pytest.mark.parametrize(
    ("seeds", "between_rows", "between_seeds", "single"),
    [(3, 0.3, 0.0, 0.3), (3, 0.1, 0.1, 0.1), (5, 0.3, 0.05, 0.3), (2, 0.3, 0.0, 0.3)],
)
def test_intervals_cover_the_truth(seeds: int, between_rows: float, between_seeds: float, single: float) -> None:
    """Rows, seeds and single answers vary; about 19 of 20 intervals hold the true difference (the module says when)."""
    chance = np.random.default_rng(7)
    rows, worlds, held = 60, 200, 0
    for world in range(worlds):
        gains = (
            0.1
            + chance.normal(0, between_rows, rows)
            + chance.normal(0, between_seeds, (seeds, 1))
            + chance.normal(0, single, (seeds, rows))
        )
        weights = next(draws(rows, 300, str(world)))
        found = estimate(Seeded(tuple(map(str, range(seeds))), gains.mean(1), (weights @ gains.T / rows).T))
        held += found.low <= 0.1 <= found.high
    assert held >= 0.9 * worlds


def test_seeds_are_paired_by_name_and_otherwise_independent() -> None:
    chance = np.random.default_rng(3)
    drawn = chance.normal(0, 0.01, (3, 2000))
    base = np.array([0.2, 0.5, 0.8])
    first = Seeded(("1", "2", "3"), base, base[:, None] + drawn)
    shuffled = Seeded(("3", "1", "2"), base[[2, 0, 1]] + 0.1, (base[:, None] + drawn + 0.1)[[2, 0, 1]])
    found = difference(shuffled, first)
    assert (found.low, found.value, found.high) == pytest.approx((0.1, 0.1, 0.1))
    others = Seeded(("4", "5", "6"), shuffled.values, shuffled.drawn)
    found = difference(others, first)
    assert found.value == pytest.approx(0.1) and found.low < -0.3 and found.high > 0.5


def test_means_over_tasks_keep_the_seeds_together() -> None:
    first, second = arm([True] * 10, [False] * 10), arm([False] * 10, [True] * 10)
    together = mean([first, second])
    assert together.values.tolist() == [0.5, 0.5]
    # What one seed lost on one task it won on the other: the seeds do not differ.
    assert estimate(together).high - estimate(together).low == pytest.approx(0, abs=1e-12)


def test_other_rows_are_not_compared() -> None:
    for other in (answers([True, False]), answers([True], "u")):
        with pytest.raises(UserError, match="different rows"):
            aligned({"a": answers([True]), "b": other})
    found = aligned({"a": answers([True, False]), "b": answers([False, True])[::-1]})
    assert found is not None and [answer.row.id for answer in found["b"]] == ["t-0", "t-1"]
