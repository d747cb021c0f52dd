"""Any record gives well-formed instructions, the same in every run and whatever else is selected."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from task_strategies import blocks, dataset

from ecomgpt.common.errors import UserError
from ecomgpt.sources.records import KINDS, LabelledText
from ecomgpt.tasks.answers import parse
from ecomgpt.tasks.declaration import Task, load_tasks
from ecomgpt.tasks.engine import TaskCounts, instructions

TASKS = load_tasks()
BY_NAME = {task.name: task for task in TASKS}


def rows_of(records: Any, tasks: Any = TASKS, seed: int = 0, counts: Any = None) -> Any:
    return list(instructions(dataset(), records, tasks, seed, {} if counts is None else counts))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_record_gives_well_formed_rows(kind: Any, data: Any) -> None:
    records = data.draw(blocks(kind))
    counts: dict[str, TaskCounts] = {}
    rows = rows_of(records, counts=counts)
    for row in rows:
        task = BY_NAME[row.task.removeprefix("toy.")]
        assert row.prompt.input.strip() and row.target == row.target.strip() != ""
        parsed = parse(row.form, row.target, row.candidates, task.separator)
        assert parsed.valid
        if row.form in ("label", "text"):
            assert parsed.items == (row.target,)
        if row.form == "label":
            assert row.target in row.candidates and len(set(row.candidates)) == len(row.candidates) > 1
        if row.form == "labels":
            assert set(parsed.items) <= set(row.candidates)
        if row.candidates:
            shown = row.prompt.after if task.shows_candidates else row.prompt.input
            assert all(candidate in shown for candidate in row.candidates)
        assert len(row.candidates) <= max(task.max_candidates, 24)
        wordings = task.instructions["en"] + task.instructions["zh"]
        assert 0 <= row.wording < len(wordings if row.language == "zh" else task.instructions["en"])
    assert len({row.id for row in rows}) == len(rows)
    for name, count in counts.items():
        assert count.records == (len(records) if BY_NAME[name.removeprefix("toy.")].record == kind else 0)
        assert count.offered == count.made + sum(count.dropped.values()) >= count.records
    assert sum(count.made for count in counts.values()) == len(rows)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), kind=st.sampled_from(list(KINDS)))
def test_rows_do_not_depend_on_the_other_tasks(data: Any, kind: Any) -> None:
    records = data.draw(blocks(kind))
    together = rows_of(records)
    for task in TASKS:
        if task.record == kind:
            assert rows_of(records, [task]) == [row for row in together if row.task == f"toy.{task.name}"]


def messages(count: int) -> list[LabelledText]:
    axis = {"intent": ("refund", "track", "cancel"), "sentiment": ("positive", "negative")}
    return [
        LabelledText(
            id=f"m{number}",
            group=f"m{number}",
            language="zh" if number % 2 else "en",
            text=f"message {number}",
            labels={name: (labels[number % len(labels)],) for name, labels in axis.items()},
        )
        for number in range(count)
    ]


_PRINT = """
import hashlib, test_task_engine as t
print(hashlib.sha256(repr(t.rows_of(t.messages(60))).encode()).hexdigest())
"""


def test_rows_are_the_same_in_every_process() -> None:
    here = Path(__file__).resolve().parent
    found = set()
    for hash_seed in ("1", "2"):
        paths = os.pathsep.join([str(here), str(here.parents[1])])
        run = subprocess.run(
            [sys.executable, "-c", _PRINT],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(run.stdout)
    assert len(found) == 1 and rows_of(messages(60)) != rows_of(messages(60), seed=1)


def test_blocks_bound_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of a later block is the same whether or not the stream went on: only its own block counts."""
    monkeypatch.setattr("ecomgpt.tasks.engine.BLOCK", 20)
    first = rows_of(messages(20))
    assert rows_of(messages(50))[: len(first)] == first


def test_position_is_no_answer() -> None:
    rows = rows_of(messages(600), [BY_NAME["intent_of_text"], BY_NAME["pick_by_intent"]])
    for name in ("intent_of_text", "pick_by_intent"):
        places = [row.candidates.index(row.target) for row in rows if row.task == f"toy.{name}"]
        assert len(places) == 600
        shares = [places.count(place) / len(places) for place in range(max(places) + 1)]
        assert max(shares) - min(shares) < 0.15, shares


def test_wordings_by_language() -> None:
    rows = rows_of(messages(600), [BY_NAME["intent_of_text"]])
    english = len(BY_NAME["intent_of_text"].instructions["en"])
    assert {row.wording for row in rows if row.language == "en"} == set(range(english))
    chinese = [row.wording >= english for row in rows if row.language == "zh"]
    assert 0.4 < sum(chinese) / len(chinese) < 0.6


def test_braces_in_data_stay(tmp_path: Path) -> None:
    record = LabelledText(
        id="x", group="x", language="en", text="{candidates} {label} {{}}", labels={"intent": ("refund",)}
    )
    row = rows_of([record], [BY_NAME["intent_of_text"]])[0]
    assert row.prompt.input == "{candidates} {label} {{}}"


def test_unfilled_slot_is_named() -> None:
    task = Task(
        **{
            **vars(BY_NAME["intent_of_text"]),
            "instructions": {"en": ["{oops} {candidates}"] * 3, "zh": ["{oops} {candidates}"] * 3},
        }
    )
    with pytest.raises(UserError, match=r"intent_of_text.*\{oops\}.*candidates"):
        rows_of(messages(1), [task])


def test_large_sets_are_sampled_around_the_answer() -> None:
    many = {f"want {number}": f"want {number}" for number in range(100)}
    source = dataset(labels={"intent": many})
    records = [
        LabelledText(id=str(n), group=str(n), language="en", text=f"t{n}", labels={"intent": (f"want {n}",)})
        for n in range(100)
    ]
    rows = list(instructions(source, records, [BY_NAME["intent_of_text"]], 0, {}))
    assert len(rows) == 100 and all(len(row.candidates) == 24 and row.target in row.candidates for row in rows)
