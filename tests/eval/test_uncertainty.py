"""Intervals and tests by hand: edges, shared texts, seeds, and what the page must never contradict."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from ecomgpt.eval.metrics_file import Change
from ecomgpt.eval.rows import Answer, EvalRow
from ecomgpt.eval.statistics.counts import Counts, counts
from ecomgpt.eval.statistics.intervals import smallest_difference, wilson
from ecomgpt.eval.statistics.randomisation import paired_randomisation
from ecomgpt.eval.statistics.uncertainty import difference, score
from ecomgpt.tasks.prompt import Prompt


def share(right: Sequence[float], first: int = 0) -> Counts:
    """A task of right and wrong rows, each about a text of its own, numbered from ``first``."""
    sums = np.column_stack([np.array(right, float), np.ones(len(right))])
    keys = tuple(str(first + at) for at in range(len(right)))
    return Counts(keys, sums, lambda sums: sums[..., 0] / np.maximum(sums[..., 1], 1), len(right))


def run(*right: Sequence[float]) -> list[Counts]:
    return [share(one, 1000 * task) for task, one in enumerate(right)]


@pytest.mark.parametrize(("right", "rows"), [(0, 8), (8, 8), (1, 20), (194, 200), (50, 100)])
def test_a_share_has_wilsons_interval(right: int, rows: int) -> None:
    known = stats.binomtest(right, rows).proportion_ci(method="wilson")
    found = score([run([1] * right + [0] * (rows - right))])
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=1e-9)
    assert found.low < found.high


def test_nothing_right_is_no_certainty() -> None:
    found = score([run([0] * 8)])
    assert found.value == found.low == 0 and 0.3 < found.high < 0.4
    assert score([run([0] * 8), run([0] * 8)]).high > 0.2, "two seeds"
    assert score([run([0] * 8, [0] * 8)]).high > 0.1, "two tasks"


def test_five_against_none_of_eight_is_no_finding() -> None:
    found = difference([run([1] * 5 + [0] * 3)], [run([0] * 8)])
    assert found.p == pytest.approx(0.0625) and found.verdict == "tie" and found.low <= 0 < found.high <= 1


def test_mcnemars_test_is_the_sign_test() -> None:
    second, first = [1] * 9 + [0] * 2 + [1] * 30, [0] * 9 + [1] * 2 + [1] * 30
    assert paired_randomisation([run(second)], [run(first)]) == pytest.approx(stats.binomtest(9, 11).pvalue)


def test_few_texts_are_exchanged_in_every_way() -> None:
    """Three texts that differ by 0.5, 0.2 and 0.1 all in one direction: 2 of 8 exchanges are as extreme."""
    second, first = [0.5, 0.2, 0.1, 0.7], [0.0, 0.0, 0.0, 0.7]
    assert paired_randomisation([run(second)], [run(first)]) == 2 / 8
    # 0.5 against -0.2 and -0.1: sums of +-0.5 +-0.2 +-0.1 at least 0.2 away from zero are all eight.
    assert paired_randomisation([run([0.5, 0, 0])], [run([0, 0.2, 0.1])]) == 1.0


def test_many_draws_give_what_scipy_gives() -> None:
    chance = np.random.default_rng(5)
    second, first = chance.random(40), chance.random(40) - 0.12
    known = stats.permutation_test(
        (second, first),
        lambda a, b, axis: (a - b).mean(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=50_000,
    )
    assert paired_randomisation([run(list(second))], [run(list(first))]) == pytest.approx(known.pvalue, abs=0.03)


@pytest.mark.parametrize("seeds", [1, 3])
def test_differences_stay_between_minus_and_plus_one(seeds: int) -> None:
    second, first = [1, 1, 1, 1, 1, 0, 1, 1], [0, 0, 0, 0, 0, 1, 0, 0]
    found = difference([run(second)] * seeds, [run(first)] * seeds)
    assert -1 <= found.low <= found.value <= found.high <= 1


def test_tasks_on_the_same_texts_are_not_independent() -> None:
    """Two tasks that are right on the same texts tell no more than one; on other texts they tell more."""
    right = [1] * 30 + [0] * 30
    same, other = [[share(right), share(right)]], [run(right, right)]
    alone = score([[share(right)]])
    widths = [score(arm).high - score(arm).low for arm in (same, other)]
    assert widths[0] == pytest.approx(alone.high - alone.low, rel=0.05) and widths[1] < 0.75 * widths[0]


def test_rows_about_one_text_count_together() -> None:
    rows = [
        EvalRow(
            id=f"{task}/{at}",
            task=task,
            prompt=Prompt("", text, ask),
            target="a",
            candidates=("a", "b"),
            form="label",
            kind="CLS",
            source="d",
        )
        for task, ask in (("one", "?"), ("other", "??"))
        for at, text in enumerate(("Red  SHOE", "red shoe", "Blue shoe"))
    ]
    one, other = counts([[Answer(row, "a") for row in rows[:3]]], "accuracy") + counts(
        [[Answer(row, "a") for row in rows[3:]]], "accuracy"
    )
    assert one.texts == other.texts and len(one.texts) == 2 and one.sums[:, 1].tolist() == [2, 1]


def test_seeds_alone_give_students_interval() -> None:
    """Texts that all answer alike leave the seeds: 0.1, 0.2, 0.3 have s^2 / k = 1/300 and two degrees of freedom."""
    arm = [[share([value] * 200)] for value in (0.4, 0.5, 0.6)]
    found = score(arm)
    assert (found.high - found.low) / 2 == pytest.approx(4.303 * (1 / 300) ** 0.5, rel=0.2)


def test_seeds_that_agree_cost_nothing() -> None:
    right = [1] * 60 + [0] * 40
    once, thrice = score([run(right)]), score([run(right)] * 3)
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.06)


def test_a_macro_f1_over_rare_classes_has_no_interval_and_says_why() -> None:
    labels = [f"c{at % 20}" for at in range(60)]
    rows = [
        EvalRow(
            id=str(at),
            task="t",
            prompt=Prompt("", str(at), ""),
            target=label,
            candidates=tuple(sorted({*labels})),
            form="label",
            kind="CLS",
        )
        for at, label in enumerate(labels)
    ]
    given = [Answer(row, row.target if at % 3 else "c0") for at, row in enumerate(rows)]
    found = score([counts([given], "macro_f1")])
    assert found.has_interval is False and "20 of 20 classes have fewer than 5 rows" in found.note
    change = difference([counts([given], "macro_f1")], [counts([given], "macro_f1")])
    assert not change.has_interval and change.p == 1.0
    assert score([counts([given], "accuracy")]).has_interval


def test_interval_and_p_value_never_contradict_each_other() -> None:
    chance = np.random.default_rng(2)
    for _ in range(300):
        rows, seeds = int(chance.integers(4, 40)), int(chance.integers(1, 4))
        base = chance.random(rows)
        arms = [
            [run(list((chance.random(rows) < base + gain).astype(float))) for _ in range(seeds)] for gain in (0.0, 0.3)
        ]
        found = difference(arms[1], arms[0])
        assert (found.low > 0 or found.high < 0) == (found.p < 0.05)
        assert -1 <= found.low <= found.value <= found.high <= 1 and found.low < found.high


def test_turned_round_a_difference_is_its_mirror() -> None:
    chance = np.random.default_rng(4)
    second, first = ([run(list(chance.random(30))) for _ in range(2)] for _ in range(2))
    one, other = difference(second, first), difference(first, second).reversed()
    assert one.as_json() == pytest.approx(other.as_json(), nan_ok=True)
    assert isinstance(one, Change)


def test_the_smallest_difference_is_found_in_four_of_five_cases() -> None:
    """With a known standard error of 1: 1.96 + 0.84."""
    assert smallest_difference(1.0) == pytest.approx(2.8016, abs=1e-3)
    assert wilson(0.5, 100)[1] - 0.5 == pytest.approx(0.0966, abs=1e-3)


def test_arms_on_other_texts_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different texts"):
        difference([run([1, 0])], [[share([1, 0], first=7)]])
