"""Verdicts, texts, curves, fonts and the terminal's table, each by itself."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from invented_run import HOSTILE_TITLE, prediction, write_json, write_predictions
from invented_study import TASKS, make_run
from rich.cells import cell_len
from rich.console import Console

from ecomgpt.eval.metrics_file import Change, Score, TaskResult
from ecomgpt.reporting import fonts, write_report
from ecomgpt.reporting import page as page_module
from ecomgpt.reporting.comparison import compare
from ecomgpt.reporting.curves import smooth
from ecomgpt.reporting.findings import headline
from ecomgpt.reporting.gather import single
from ecomgpt.reporting.load import load
from ecomgpt.reporting.readings import read
from ecomgpt.reporting.text import (
    clip,
    code_block,
    count,
    duration,
    interval,
    markdown,
    metric_name,
    points,
    size,
    visible,
)


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "draw", lambda *_: {})


@pytest.mark.parametrize(
    ("value", "p", "verdict"), [(0.05, 0.049, "win"), (0.05, 0.051, "tie"), (-0.05, 0.01, "loss"), (0.0, 0.01, "tie")]
)
def test_verdicts_follow_the_p_value(value: float, p: float, verdict: str) -> None:
    assert Change(value, value - 0.04, value + 0.04, p).verdict == verdict


def test_tasks_outside_e_commerce_do_not_enter_the_headline(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    before = headline(compare(single(folder)))
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    for part in (metrics["tasks"], metrics["untrained"]["tasks"]):
        part["general"] = {**part["titles"], "family": "general", "published": {}}
    write_json(folder / "metrics.json", metrics)
    for place in (folder / "predictions", folder / "predictions" / "untrained"):
        (place / "general.jsonl").write_bytes((place / "titles.jsonl").read_bytes())
    study = compare(single(folder))
    assert headline(study).split(" It is")[0] == before.split(" It is")[0]
    assert [group.tasks for group in study.groups if group.name == "general"] == [("general",)]


def test_less_is_better_for_invalid_answers() -> None:
    assert Change(-0.4, -0.5, -0.3, 0.01).reversed().as_json() == Change(0.4, 0.3, 0.5, 0.01).as_json()


def test_results_are_read_as_they_were_written() -> None:
    result = TaskResult(
        "t", 10, "accuracy", {"accuracy": Score(0.5, 0.4, 0.6)}, "T", "en", "f", {"win": 66.0}, "cross_task"
    )
    assert TaskResult.from_json("t", json.loads(json.dumps(result.as_json()))) == result


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (points(0.4567), "45.7"),
        (points(-0.0123, signed=True), "−1.2"),
        (points(0.0123, signed=True), "+1.2"),
        (points(-0.00001, signed=True), "0.0"),
        (points(-0.00001), "0.0"),
        (points(math.nan), "–"),
        (points(None), "–"),
        (interval(Score(0.5, 0.41, 0.502)), "[41.0, 50.2]"),
        (interval(Score(0.5)), "–"),
        (count(1234567), "1,234,567"),
        (size(2_100_000_000), "2.1 GB"),
        (size(999), "999 B"),
        (size(0.5), "0 B"),
        (size(10**18), "1000000 TB"),
        (duration(4.26), "4.3 s"),
        (duration(125), "2 min 05 s"),
        (duration(3 * 3600 + 1200), "3 h 20 min"),
        (duration(-1), "–"),
        (metric_name("released_rouge_l"), "ROUGE-L (released)"),
        (metric_name("token_f1"), "token F1"),
        (visible("a\x1b[0m\r\n\tb\u202e\ud800"), "a\\x1b[0m\n\tb\\u202e\\ud800"),
        (markdown("a|b\n<i>*x*</i> `c` & www.x"), "a\\|b ⏎ &lt;i&gt;\\*x\\*&lt;/i&gt; \\`c\\` &amp; www\\.x"),
        (code_block("a```b"), "````\na```b\n````"),
        (clip("abc", 3), "abc"),
    ],
)
def test_shown_texts(shown: str, expected: str) -> None:
    assert shown == expected


def test_clipping_keeps_both_ends_and_says_how_much_went() -> None:
    text = clip("a" * 500 + "b" * 500, 300)
    assert text.startswith("a" * 200) and text.endswith("b" * 100) and "700 characters left out" in text


def test_curves_skip_gaps_and_take_the_last_of_repeated_steps(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    log = "step,loss,tokens_per_second,grad_norm\n1,5.0,,\n2,4.0,100,\n2,3.5,,inf\n,9,9,9\nx,1,1,1\n3,nan,\n"
    (folder / "logs" / "metrics.csv").write_text(log, "utf-8")
    assert load(folder).curve == {"loss": [(1.0, 5.0), (2.0, 3.5)], "tokens_per_second": [(2.0, 100.0)]}


def test_smoothing_keeps_a_straight_line() -> None:
    line = [float(value) for value in range(100)]
    assert smooth(line) == pytest.approx(line)


def test_worst_rows_mistakes_and_confusion_of_a_task(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    answers = [*["track an order"] * 3, "退换货", "退换货", *["huh"] * 4]
    write_predictions(
        folder, "aspects", [prediction("aspects", str(at), "Q?", "退换货", answer) for at, answer in enumerate(answers)]
    )
    reading = read(folder / "predictions" / "aspects.jsonl", 5)
    assert [row.id for row in reading.worst] == ["0", "1", "2", "5", "6"]
    assert [row.id for row in reading.invalid] == ["7", "8"]
    assert reading.mistakes == [("退换货", "huh", 4), ("退换货", "track an order", 3)]
    assert (reading.rows, reading.invalid_rows) == (9, 4)
    counts = dict(zip(reading.labels, dict(reading.confusion)["退换货"], strict=True))
    assert (counts["退换货"], counts["track an order"], counts["(invalid)"]) == (2, 3, 4)


def test_figures_fall_back_to_names_where_no_font_has_the_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "families", lambda: ("DejaVu Sans",))
    assert fonts.drawable("Same product?", "x") == "Same product?"
    assert fonts.drawable("商品属性", "attributes") == "attributes"
    assert fonts.drawable("a\u202eb", "商品") == "??"
    assert fonts.drawable("x" * 80, width=10) == "x" * 9 + "…"


def shown(folder: Path, width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(write_report(folder))
    return stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_terminal_table_fits_and_holds_every_number(tmp_path: Path, width: int) -> None:
    folder = make_run(tmp_path / "run")
    text = shown(folder, width)
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    assert max(cell_len(line) for line in text.split("\n")) <= width
    if width >= 80:
        cells = ["Training raised", "27.0", "micro F1", "60", "mean, Chinese"]
        for arm in (metrics["tasks"], metrics["untrained"]["tasks"]):
            cells += [points(arm[task[0]]["metrics"][task[4]]["value"]) for task in TASKS]
        for cell in cells:
            assert cell in text, cell
    assert ("constant 27.0" in text) == (width >= 100)


def test_the_terminal_obeys_no_escape_or_markup_of_the_data(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    metrics["tasks"]["matching"]["title"] = HOSTILE_TITLE
    write_json(folder / "metrics.json", metrics)
    text = shown(folder, 140)
    assert "\x1b" not in text and "[red]x[/red]" in text


@pytest.mark.parametrize(
    "changes",
    [{"tasks": {}, "averages": {}}, {"untrained": None, "baselines": None, "training": None, "averages": None}],
)
def test_the_terminal_shows_runs_that_lack_parts(tmp_path: Path, changes: dict[str, Any]) -> None:
    text = shown(make_run(tmp_path / "run", **changes), 100)
    assert "untrained" not in text and "Report" in text
    assert ("Customer intent" in text) == ("tasks" not in changes)


def test_importing_the_report_imports_nothing_heavy() -> None:
    heavy = ("matplotlib", "jinja2", "rich", "numpy", "torch")
    code = f"import sys, ecomgpt.reporting, ecomgpt.reporting.load; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
