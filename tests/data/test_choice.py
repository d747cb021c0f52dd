"""Which tasks and examples make a mixture: nested, balanced, seeded, and counted."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecomgpt.config.schema import DataConfig
from ecomgpt.data.budget import within_budget
from ecomgpt.data.choose import (
    NO_CAP,
    NOT_AMONG_TASKS,
    OVER_CAP,
    OVER_SHARE,
    Chooser,
    PlannedTask,
    ranked,
    sort_keys,
    tempered,
    top_k_per_task,
)
from ecomgpt.data.split import split_of
from ecomgpt.sources.records import LabelledText
from ecomgpt.tasks.chain import sort_of

SORTS = [
    ("raw", "golden", None),
    ("atomic", "golden", "simplification"),
    ("atomic", "golden", "reversal"),
    ("atomic", "golden", "recombination"),
    ("atomic", "pseudo", None),
]


def task(number: int, sort: int, language: str = "en", family: str = "a") -> PlannedTask:
    kind, label, operation = SORTS[sort]
    dataset: Any = SimpleNamespace(name=f"d-{language}", language=language)
    made: Any = SimpleNamespace(name=f"t{number}", kind=kind, label=label, operation=operation, family=family)
    return PlannedTask(dataset, made)


planned_tasks = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["en", "zh", "mul"]), st.sampled_from("abcd")), min_size=1, max_size=60
).map(lambda rows: [task(number, *row) for number, row in enumerate(rows)])


@settings(max_examples=60, deadline=None)
@given(tasks=planned_tasks, seed=st.integers(0, 99))
def test_fewer_tasks_are_a_small_copy_of_all(tasks: list[PlannedTask], seed: int) -> None:
    order = ranked(tasks, seed)
    assert sorted(order) == list(range(len(tasks)))
    strata = Counter((one.dataset.language, sort_of(one.task)) for one in tasks)
    for size in range(1, len(tasks) + 1):
        part = Counter((tasks[number].dataset.language, sort_of(tasks[number].task)) for number in order[:size])
        for stratum, number in strata.items():
            # Each stratum's share, give or take what rounding the others costs.
            assert abs(part[stratum] - size * number / len(tasks)) <= 1 + len(strata) / 2
    # In a stratum no family has a second task before every family that has one left had its turn.
    for stratum in strata:
        mine = [
            tasks[number].task.family
            for number in order
            if (tasks[number].dataset.language, sort_of(tasks[number].task)) == stratum
        ]
        turns = [mine[:place].count(family) for place, family in enumerate(mine)]
        assert turns == sorted(turns)


def test_the_order_of_tasks_hangs_on_seed_and_names_alone() -> None:
    tasks = [task(number, number % 5, "en" if number % 3 else "zh", "abcdef"[number % 6]) for number in range(40)]
    names = [tasks[number].name for number in ranked(tasks, 1)]
    assert [tasks[::-1][number].name for number in ranked(tasks[::-1], 1)] == names
    assert [tasks[number].name for number in ranked(tasks, 2)] != names


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**64 - 1)), max_size=80, unique_by=lambda row: row[1]),
    caps=st.lists(st.integers(0, 30), min_size=4, max_size=4),
)
def test_the_first_of_each_task_are_marked(rows: list[tuple[int, int]], caps: list[int]) -> None:
    tasks, order = np.array([row[0] for row in rows], np.int32), np.array([row[1] for row in rows], np.uint64)
    chosen = top_k_per_task(tasks, order, np.array(caps))
    for number, cap in enumerate(caps):
        mine = sorted(place for one, place in rows if one == number)
        assert sorted(order[chosen & (tasks == number)].tolist()) == mine[:cap]
    assert top_k_per_task(tasks, order, np.full(4, NO_CAP)).all()


def test_places_are_spread_and_seeded() -> None:
    ids = [f"row {number}" for number in range(5000)]
    one = sort_keys(1, ids)
    assert one.dtype == np.uint64 and len(set(one.tolist())) == 5000 and (one != sort_keys(2, ids)).all()
    assert abs(float((one / 2.0**64).mean()) - 0.5) < 0.02


def test_cap_weights_and_temperature_are_counted_apart() -> None:
    tasks = [task(0, 0, family="x"), task(1, 0, family="x"), task(2, 0, family="y"), task(3, 0, family="y")]
    data = DataConfig(
        name="n", max_examples_per_task=100, weights={"x": 0.5, "d-en.t1": 2.0}, temperature=2.0, max_tasks=3
    )
    chooser = Chooser(data, 0, tasks)
    assert chooser.caps("train").tolist() == [50, 200, 100, 100] and chooser.caps("validation").tolist() == [1, 4, 2, 2]
    offered = np.array([500, 150, 400, 30])
    quota = chooser.quota("train", offered, offered)
    assert (quota.kept + sum(quota.dropped.values()) == offered).all()
    out = int(np.flatnonzero(quota.dropped[NOT_AMONG_TASKS])[0])
    assert np.count_nonzero(quota.kept) == 3 and quota.dropped[NOT_AMONG_TASKS][out] == offered[out]
    assert quota.dropped[OVER_CAP].sum() > 0 and quota.dropped[OVER_SHARE].sum() > 0


def test_without_a_cap_a_weight_takes_its_share() -> None:
    chooser = Chooser(
        DataConfig(name="n", max_examples_per_task=None, weights={"t0": 0.25, "t1": 3.0}), 0, [task(0, 0), task(1, 0)]
    )
    assert chooser.quota("train", np.array([200, 200]), np.array([200, 200])).kept.tolist() == [50, 200]


def test_a_task_that_has_only_validation_examples_is_not_chosen() -> None:
    chooser = Chooser(DataConfig(name="n"), 0, [task(0, 0), task(1, 0)])
    assert chooser.quota("validation", np.array([7, 7]), np.array([0, 5])).kept.tolist() == [0, 7]


@given(sizes=st.lists(st.integers(0, 1000), min_size=1, max_size=12), temperature=st.floats(0.2, 20))
def test_temperature_moves_towards_equal_shares_and_takes_no_more_than_there_is(
    sizes: list[int], temperature: float
) -> None:
    before = np.array(sizes)
    after = tempered(before, temperature)
    assert (after <= np.maximum(before, 0)).all() and ((after > 0) == (before > 0)).all()
    assert (tempered(before, 1.0) == before).all()
    if temperature > 1:
        assert all(after[i] <= after[j] for i in range(len(sizes)) for j in range(len(sizes)) if before[i] <= before[j])


@settings(max_examples=60, deadline=None)
@given(targets=st.lists(st.integers(1, 40), min_size=1, max_size=60), data=st.data())
def test_budgets_are_reached_and_nested(targets: list[int], data: st.DataObject) -> None:
    lengths = np.array(targets)
    order = np.array(data.draw(st.permutations(range(len(targets)))), dtype=np.uint64)
    wanted = sorted(data.draw(st.lists(st.integers(1, int(lengths.sum())), min_size=2, max_size=2)))
    small, large = (within_budget(lengths, order, None, one) for one in wanted)
    assert not (small & ~large).any()
    for kept, budget in ((small, wanted[0]), (large, wanted[1])):
        reached = int(lengths[kept].sum())
        missed = lengths[~kept][np.argsort(order[~kept])]
        assert reached <= budget and (not len(missed) or reached + int(missed[0]) > budget)
    count = data.draw(st.integers(1, len(targets)))
    kept = within_budget(lengths, order, count, None)
    assert kept.sum() == count and (not (~kept).any() or order[kept].max() < order[~kept].min())


@given(
    groups=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=40),
    official=st.booleans(),
    validation=st.floats(0, 0.5),
    test=st.floats(0, 0.5),
)
def test_a_split_never_tears_a_group(groups: list[str], official: bool, validation: float, test: float) -> None:
    data = DataConfig(name="n", validation=validation, test=test)
    found: dict[str, set[str]] = {}
    for number, group in enumerate(groups * 2):
        record = LabelledText(id=str(number), group=group, language="en", text=f"text {number}")
        found.setdefault(group, set()).add(split_of(record, "source", data, official))
    assert all(len(splits) == 1 for splits in found.values())


@pytest.mark.parametrize("official", [True, False])
def test_shares_of_the_splits_are_those_asked_for(official: bool) -> None:
    data = DataConfig(name="n", validation=0.1, test=0.3)
    records = [LabelledText(id=str(n), group=f"g{n}", language="en", text="") for n in range(4000)]
    counts = Counter(split_of(record, "source", data, official) for record in records)
    assert counts["test"] == 0 if official else abs(counts["test"] / 4000 - 0.3) < 0.03
    assert abs(counts["validation"] / 4000 - 0.1) < 0.02
