"""The paper's breadth on the real datasets: 134 tasks or more, in both languages, by all three operations."""

from collections import Counter
from itertools import islice
from typing import Any

import pytest

from ecomgpt.sources.catalog import ReadCounts, load_catalog, locate, read
from ecomgpt.tasks.answers import parse
from ecomgpt.tasks.declaration import load_tasks
from ecomgpt.tasks.engine import instructions

TASKS = {task.name: task for task in load_tasks()}
RECORDS = 600
"""Of each dataset: enough for every task to give a row, few enough for a quick test."""


@pytest.fixture(scope="module")
def rows(real_data: Any) -> Any:
    found: dict[str, list] = {}
    for dataset in load_catalog(None):
        if dataset.reader != "demo" and not locate(dataset, real_data):
            continue
        counts = ReadCounts(read=0, kept=0, dropped=Counter())
        records = islice(read(dataset, real_data, counts, max_bad_rows=10**6), RECORDS)
        for row in instructions(dataset, records, list(TASKS.values()), 0, {}):
            found.setdefault(row.task, []).append(row)
    return found


def test_breadth(rows: Any) -> None:
    assert len(rows) >= 134
    by_language = Counter(language for found in rows.values() for language in {row.language for row in found})
    assert by_language["en"] >= 134 and by_language["zh"] >= 100
    assert len({name.split(".")[0] for name in rows}) >= 22
    used = {name.split(".")[1] for name in rows}
    assert len(used) >= 120
    operations = Counter(TASKS[name.split(".")[1]].operation for name in rows)
    assert min(operations[name] for name in ("simplification", "reversal", "recombination")) >= 30


def test_raw_tasks_alone_are_raw(rows: Any) -> None:
    raw = {name for name in rows if TASKS[name.split(".")[1]].kind == "raw"}
    assert 30 <= len(raw) < len(rows)
    assert all(TASKS[name.split(".")[1]].operation is None and not TASKS[name.split(".")[1]].serves for name in raw)


def test_every_gold_answer_is_read_back(rows: Any) -> None:
    for name, found in rows.items():
        task = TASKS[name.split(".")[1]]
        for row in found[:200]:
            parsed = parse(row.form, row.target, row.candidates, task.separator)
            assert parsed.valid, row
            if row.form in ("label", "text"):
                assert parsed.items == (row.target,), row
