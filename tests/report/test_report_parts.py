"""Comparisons, texts, curves, fonts and the terminal's table, each by itself."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from invented_run import HOSTILE_TITLE, make_metrics, make_run, prediction, write_json, write_predictions
from rich.cells import cell_len
from rich.console import Console

from ecomgpt.report import fonts, summary
from ecomgpt.report.charts import smooth
from ecomgpt.report.findings import compare, difference, headline, mean
from ecomgpt.report.load import Change, Score, TaskScores, load
from ecomgpt.report.predictions import read
from ecomgpt.report.text import (
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


def task(value: float, low: float, high: float, metric: str = "accuracy") -> TaskScores:
    return TaskScores("t", "T", 10, metric, {metric: Score(value, low, high)})


@pytest.mark.parametrize(
    ("arm", "reference", "verdict"),
    [
        (Score(0.5, 0.45, 0.55), Score(0.3, 0.25, 0.35), "win"),
        (Score(0.5, 0.45, 0.55), Score(0.4, 0.35, 0.45), "tie"),
        (Score(0.3, 0.25, 0.35), Score(0.5, 0.45, 0.55), "loss"),
        (Score(0.5), Score(0.3, 0.25, 0.35), "open"),
    ],
)
def test_verdicts_follow_the_overlap_of_intervals(arm: Score, reference: Score, verdict: str) -> None:
    found = difference(arm, reference)
    assert found is not None and found.verdict == verdict
    assert found.score.value == pytest.approx(arm.value - reference.value)


def test_the_interval_of_a_difference_is_newcombes() -> None:
    # Newcombe 1998, Statistics in Medicine 17: 873-890, table II, case (a): 56/70 against 48/80, method 10.
    def wilson(x: int, n: int) -> Score:
        z, p = 1.959964, x / n
        centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return Score(p, (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n))

    found = difference(wilson(56, 70), wilson(48, 80))
    assert found is not None
    assert (round(found.score.low, 4), round(found.score.high, 4)) == (0.0524, 0.3339)


@pytest.mark.parametrize(("p", "verdict"), [(0.049, "win"), (0.051, "tie")])
def test_a_paired_test_takes_the_place_of_the_overlap(p: float, verdict: str) -> None:
    arm, reference = {"t": task(0.5, 0.4, 0.6)}, {"t": task(0.45, 0.35, 0.55)}
    assert compare(arm, reference).tasks["t"].verdict == "tie"
    found = compare(arm, reference, {"t": Change(Score(0.05, 0.01, 0.09), p)}).tasks["t"]
    assert (found.verdict, found.p, found.score) == (verdict, p, Score(0.05, 0.01, 0.09))


def test_tasks_outside_e_commerce_do_not_enter_the_headline(tmp_path: Path) -> None:
    metrics = make_metrics()
    before = headline(load(make_run(tmp_path / "without", **metrics)))
    metrics["tasks"]["general"] = {**metrics["tasks"]["titles"], "family": "general"}
    assert headline(load(make_run(tmp_path / "with", **metrics))) == before


def test_less_is_better_for_invalid_answers() -> None:
    found = difference(Score(0.1, 0.05, 0.15), Score(0.5, 0.4, 0.6), "invalid_rate")
    assert found is not None and found.verdict == "win" and found.score.value == pytest.approx(0.4)


def test_the_mean_adds_half_widths_in_squares() -> None:
    average = mean([Score(0.2, 0.1, 0.3), Score(0.4, 0.3, 0.5), Score(0.6, 0.5, 0.7), Score(0.8, 0.7, 0.9)])
    assert (average.value, average.low, average.high) == pytest.approx((0.5, 0.45, 0.55))
    assert not mean([]).known


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
        (size(10**18), "1000000.0 TB"),
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
    assert [row.id for row in reading.worst] == ["0", "1", "2", "5", "6"] and [row.id for row in reading.invalid] == [
        "7",
        "8",
    ]
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


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_terminal_table_fits_and_holds_every_number(tmp_path: Path, width: int) -> None:
    folder = make_run(tmp_path / "run")
    stream = io.StringIO()
    Console(file=stream, width=width).print(summary(folder))
    text = stream.getvalue()
    assert max(cell_len(line) for line in text.split("\n")) <= width
    if width >= 80:
        for cell in (
            "Training helped: +33.2 points",
            "[65.3, 76.7]",
            "71.0",
            "9.0",
            "+62.0",
            "21.0",
            "−5.0",
            "accuracy",
            "240",
            "average, language: zh",
        ):
            assert cell in text, cell
    assert ("majority 21.0" in text) == (width >= 100)


def test_the_terminal_obeys_no_escape_or_markup_of_the_data(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    metrics["tasks"]["aspects"]["title"] = HOSTILE_TITLE
    write_json(folder / "metrics.json", metrics)
    stream = io.StringIO()
    Console(file=stream, width=140).print(summary(folder))
    assert "\x1b" not in stream.getvalue() and "[red]x[/red]" in stream.getvalue()


@pytest.mark.parametrize(
    "changes",
    [{"tasks": {}, "averages": {}}, {"untrained": None, "baselines": None, "training": None, "averages": None}],
)
def test_the_terminal_shows_runs_that_lack_parts(tmp_path: Path, changes: dict) -> None:
    stream = io.StringIO()
    Console(file=stream, width=100).print(summary(make_run(tmp_path / "run", **changes)))
    assert "untrained" not in stream.getvalue() and "Run" in stream.getvalue()
    assert ("Customer intent" in stream.getvalue()) == ("tasks" not in changes)


def test_importing_the_report_imports_nothing_heavy() -> None:
    code = "import sys, ecomgpt.report, ecomgpt.report.load; print([m for m in ('matplotlib', 'jinja2', 'rich', 'numpy', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
