"""The pages say what the run directory says, whatever it holds and whatever it lacks."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from invented_run import prediction, write_json, write_predictions
from invented_study import TASKS, make_run
from page_reader import Reader

from ecomgpt.common.errors import UserError
from ecomgpt.reporting import write_report

HOSTILE = (
    "<script>alert(1)</script> | `rm` ``` *b* [x](http://e.com) \x1b[31mred\x00 \u202egnp.exe\u2069 "
    "שלום & </td> $x$ ]]> -->"
)
FIGURES = ("groups", "differences", "verdicts", "scores", "training", "composition", "examples")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_run(tmp_path_factory.mktemp("runs") / "first")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns where a font lacks a glyph
        write_report(folder)
    return folder


def pages(folder: Path) -> tuple[Reader, str]:
    write_report(folder)
    return Reader((folder / "report.html").read_text("utf-8")), (folder / "report.md").read_text("utf-8")


def rewrite(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads((folder / name).read_text("utf-8"))
    change(content)
    write_json(folder / name, content)


def test_every_score_stands_in_the_page_as_in_the_file(whole: Path) -> None:
    page = Reader((whole / "report.html").read_text("utf-8"))
    metrics, compared = (json.loads((whole / f"{name}.json").read_text("utf-8")) for name in ("metrics", "comparison"))
    for arm in (metrics["tasks"], metrics["untrained"]["tasks"]):
        for task in arm.values():
            for score in task["metrics"].values():
                assert repr(score["value"]) in page.values
    assert "cross-task" in page.text and "Chinese" in page.text and "intent classification" in page.text
    for name, *_ in TASKS:
        row = metrics["tasks"][name]["metrics"][metrics["tasks"][name]["primary"]]
        mark = {"win": " ▲", "loss": " ▼", "tie": ""}[compared["tasks"][name]["changes"]["trained"]["verdict"]]
        assert f"{row['value'] * 100:.1f}{mark} [{row['low'] * 100:.1f}, {row['high'] * 100:.1f}]" in page.text


def test_the_answer_comes_first_and_agrees_with_the_table(whole: Path) -> None:
    text = Reader((whole / "report.html").read_text("utf-8")).text
    numbers = json.loads((whole / "comparison.json").read_text("utf-8"))
    assert numbers["reference"] == "untrained" and list(numbers["arms"]) == ["untrained", "trained"]
    group = numbers["groups"][numbers["answer"]]
    score, change = group["scores"]["trained"], group["changes"]["trained"]
    answer = f"The model scores {score['value'] * 100:.1f} points averaged over 3 cross-task tasks"
    beside = f"above answers that need no model ({group['baseline']['value'] * 100:.1f}; clearly above them on"
    gain = f"Training raised the untrained model's {group['scores']['untrained']['value'] * 100:.1f}: "
    assert text.index(answer) < text.index(beside) < text.index(gain) < text.index("Scores")
    assert f"{gain}+{change['value'] * 100:.1f} points, 95 % interval" in text
    order = [
        "Scores",
        "Figures",
        "What was left out",
        "Cost",
        "Reading errors",
        "How to reproduce",
        "Before you rely on this",
    ]
    headings = re.findall(r"<h2>([^<]*)", (whole / "report.html").read_text("utf-8"))
    assert [heading for heading, start in zip(headings, order, strict=True) if heading.startswith(start)] == headings


def test_facts_of_data_training_and_origin(whole: Path) -> None:
    page = Reader((whole / "report.html").read_text("utf-8")).text
    manifest = json.loads((whole / "data" / "manifest.json").read_text("utf-8"))
    capped = sum(task["dropped"].get("over_cap", 0) for task in manifest["tasks"])
    for fact in (
        f"{capped:,}",
        "37 removed; checked against demo",
        "1,843,200",
        "1 min 24 s",
        "2 min 31 s",
        "1.9 GB",
        "memory 24.0 GB",
        "python -m ecomgpt data=full_cot seed=13",
        "3695598d2a71",
        "9f2c61d07be34a55",
        "torch 2.13.0",
        "ROUGE-L (released)",
        "66 / 32 / 2",
        "python 3.11.9",
        "cpu AMD EPYC",
    ):
        assert fact in page, fact


def test_the_page_is_one_file_without_scripts_or_addresses(whole: Path) -> None:
    source = (whole / "report.html").read_text("utf-8")
    page = Reader(source)
    assert not page.tags & {"script", "link", "iframe", "img", "object", "foreignobject"}
    assert not [name for name in page.attributes if name.startswith("on") or name in ("src", "href", "srcset")]
    assert set(re.findall(r"https?://[^\"\s]+", source)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert all(target.startswith("#") for target in re.findall(r'xlink:href="([^"]*)"', source))
    identifiers = re.findall(r'\bid="([^"]*)"', source)
    assert len(identifiers) == len(set(identifiers))
    targets = set(re.findall(r"#([\w-]+)[\")]", source.split("</style>", 1)[1]))
    assert targets - {"111111"} <= set(identifiers)  # The colour of numbers on bars, in the dark as well.


def test_the_same_run_gives_the_same_bytes(whole: Path) -> None:
    files = [
        "report.html",
        "report.md",
        "results.csv",
        "table.tex",
        *(f"figures/{name}.{kind}" for name in FIGURES for kind in ("png", "svg")),
    ]
    before = [(whole / name).read_bytes() for name in files]
    write_report(whole)
    assert [(whole / name).read_bytes() for name in files] == before


def test_every_figure_is_a_picture_in_the_pages_colours(whole: Path) -> None:
    source = (whole / "report.html").read_text("utf-8")
    for name in FIGURES:
        assert (whole / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert f"figures/{name}.png" in (whole / "report.md").read_text("utf-8")
    assert source.count("<svg") == len(FIGURES)
    assert "fill: var(--blue)" in source and "#0072b2" not in source.split("</style>", 1)[1]


def test_hostile_text_is_shown_and_never_obeyed(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "hostile")
    rewrite(
        folder,
        "metrics.json",
        lambda content: content["tasks"]["matching"].update(title=HOSTILE, family=HOSTILE, language=HOSTILE),
    )
    rewrite(
        folder,
        "data/manifest.json",
        lambda content: content["tasks"][0].update(name=HOSTILE, family=HOSTILE, dropped={HOSTILE: 9**9}),
    )
    rewrite(folder, "environment.json", lambda content: content.update(command="``` " + HOSTILE))
    (folder / "config.yaml").write_text(json.dumps({"name": HOSTILE}, ensure_ascii=False), "utf-8")
    rows = [
        prediction("matching", f"{HOSTILE}{form}", HOSTILE, HOSTILE, HOSTILE + "!?x", form) for form in ("text", "text")
    ]
    write_predictions(folder, "matching", rows)
    write_predictions(folder, "titles", [prediction("titles", HOSTILE, HOSTILE, "退换货", HOSTILE)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page, markdown = pages(folder)
    source = (folder / "report.html").read_text("utf-8")
    assert "script" not in page.tags and page.text.count("<script>alert(1)</script>") >= 8
    for text in (source, markdown):
        assert not set(text) & set("\x00\x1b\u202e\u2069")
        assert "\\x1b[31mred\\x00" in text or "\\\\x1b\\[31mred\\\\x00" in text
        assert "\\u202egnp.exe" in text and "שלום" in text
    outside = re.sub(r"^(`{3,})\n.*?\n\1$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    assert "<script>" not in outside and "[x](" not in outside and "://e" not in outside.replace("\\://e", "")
    assert re.search(r"^````\n``` <script>", markdown, flags=re.MULTILINE)  # the fence is longer than what it holds
    widths = {
        len(re.findall(r"(?<!\\)\|", line)) for line in outside.split("\n") if "alert" in line and line.startswith("| ")
    }
    assert widths <= {7, 9, 5}  # the columns of scores, differences and dropped rows, and no more


@pytest.mark.parametrize(
    "missing", ["data", "predictions", "logs", "environment.json", "status.json", "config.yaml", "all"]
)
def test_a_missing_part_leaves_the_rest(tmp_path: Path, missing: str) -> None:
    folder = make_run(tmp_path / "run")
    for part in [path for path in folder.iterdir() if path.name != "metrics.json" and missing in (path.name, "all")]:
        shutil.rmtree(part) if part.is_dir() else part.unlink()
    page, markdown = pages(folder)
    answer = "nothing to compare it with" if missing in ("predictions", "all") else "Training raised"
    assert answer in page.text and answer in markdown
    assert ("What was left out" in page.text) == (missing not in ("data", "all"))
    assert (folder / "figures" / "training.png").exists() == (missing not in ("logs", "all"))
    assert (folder / "figures" / "composition.png").exists() == (missing not in ("data", "all"))
    assert ("No predictions were kept" in page.text) == (missing in ("predictions", "all"))


def test_a_figure_without_data_does_not_stay_from_an_earlier_report(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    write_report(folder)
    (folder / "logs" / "metrics.csv").write_text("step,loss\n1,\n2,nan\n", "utf-8")
    write_report(folder)
    assert not (folder / "figures" / "training.png").exists()


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"training": None, "untrained": None}, "The model scores"),
        ({"training": None, "untrained": None}, "clearly above them on 3 of 3 tasks, clearly below on 0"),
        ({"untrained": None, "baselines": None}, "There is nothing to compare it with row by row"),
        ({"tasks": {}, "untrained": None}, "No evaluation task has a score"),
    ],
)
def test_runs_without_training_reference_or_tasks(tmp_path: Path, changes: dict[str, Any], answer: str) -> None:
    page, markdown = pages(make_run(tmp_path / "run", **changes))
    assert answer in page.text and answer in markdown
    assert "untrained" not in page.text.lower()


def test_values_that_are_not_numbers_are_named_and_left_out_of_the_mean(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    metrics["tasks"]["intent_en"]["metrics"]["micro_f1"] = {"value": float("nan"), "low": None, "high": None}
    metrics["tasks"]["titles"]["metrics"]["rouge_l"] = {"value": 0.58}
    metrics["training"]["final_loss"] = float("inf")
    run = make_run(tmp_path / "run", **metrics)
    shutil.rmtree(run / "predictions")  # Answers would be scored anew.
    page, _ = pages(run)
    assert "averaged over 2 cross-task tasks" in page.text
    assert "No score, left out of every mean: “Customer intent”" in page.text
    assert "No interval (the answers are not there): “Product title (Chinese)”" in page.text
    assert "Final loss" not in page.text


def test_what_training_changed_is_read_where_no_answers_are_left(tmp_path: Path) -> None:
    change = {"metric": "micro_f1", "value": 0.4, "low": 0.3, "high": 0.5, "p": 0.001, "p_holm": 0.004}
    folder = make_run(tmp_path / "run", changes={"matching": change})
    shutil.rmtree(folder / "predictions")
    page, _ = pages(folder)
    assert "+40.0 [+30.0, +50.0] 0.001 (0.004)" in page.text and "kept no predictions" in page.text


def test_predictions_that_cannot_be_read_are_named_by_line(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    with (folder / "predictions" / "matching.jsonl").open("a", encoding="utf-8") as lines:
        lines.write('{"id": "cut of')
    page, _ = pages(folder)
    assert "Predictions that could not be read: predictions/matching.jsonl:61: is no prediction" in page.text


def test_cut_prompts_are_counted(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    rows = [
        prediction("matching", str(index), "Question?", "退换货", "退换货") | {"cut_tokens": index}
        for index in range(4)
    ]
    write_predictions(folder, "matching", rows)
    page, _ = pages(folder)
    assert (
        "Evaluation prompts cut to the maximum length, in rows: matching 3." in page.text
        and "Every answer is right." in page.text
    )


def test_texts_of_rows_can_be_left_out(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    write_report(folder, example_rows=0)
    for name in ("report.html", "report.md"):
        text = (folder / name).read_text("utf-8")
        assert "Message 3:" not in text and "micro F1" in text


def test_a_task_name_does_not_lead_out_of_the_run(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", untrained=None, tasks={"../../secret": {"n": 1, "metrics": {"accuracy": 1.0}}})
    write_predictions(folder, "../../../secret", [prediction("secret", "0", "a secret", "退换货", "y")])
    page, _ = pages(folder)
    assert "a secret" not in page.text


def test_what_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such run directory"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"metrics\.json is missing"):
        write_report(tmp_path)
    folder = make_run(tmp_path / "run")
    (folder / "metrics.json").write_text('{"tasks": {},\n "averages": }', "utf-8")
    (folder / "environment.json").write_text("[]", "utf-8")
    with pytest.raises(UserError) as caught:
        write_report(folder)
    assert len(caught.value.problems) == 2
    assert "metrics.json:2: not valid JSON" in str(caught.value) and "environment.json:1: a JSON object" in str(
        caught.value
    )


def test_endless_answers_are_cut_with_a_note(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    write_report(folder)
    small = (folder / "report.html").stat().st_size
    rows = [prediction("titles", f"r{at}", "prompt", "target", "x" * 1_000_000, "text") for at in range(12)]
    write_predictions(folder, "titles", rows)
    write_report(folder)
    page = folder / "report.html"
    assert page.stat().st_size < small + 50_000 and (folder / "report.md").stat().st_size < 500_000
    assert Reader(page.read_text("utf-8")).text.count("999,400 characters left out") >= 10
