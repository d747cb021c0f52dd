"""Emptiness is looked for after everything was left out, and told with the counts that led there."""

import json
from pathlib import Path

import pytest

from ecomgpt.__main__ import main

DATASET = """
name: mine
title: Mine
language: en
licence: CC BY 4.0
citation: nobody, personal communication
homepage: https://example.org
obtain: made by hand
family: sentiment_classification
records: [LabelledText]
reader: jsonl
files: {{"{split}": [rows.jsonl]}}
columns: {{text: text, sentiment: label}}
labels:
  sentiment: {{good: good, bad: bad}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ecomgpt(rows: list[dict], *overrides: str, split: str = "") -> int:
    for path in (Path("conf/sources/datasets"), Path("data/raw/mine")):
        path.mkdir(parents=True, exist_ok=True)
    Path("conf/sources/datasets/mine.yaml").write_text(DATASET.format(split=split))
    Path("data/raw/mine/rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    where = ["paths.conf=conf", "paths.data=data", "paths.cache=cache", "sources=open", "sources.datasets=[mine]"]
    return main([*where, "eval=none", "trainer.max_steps=2", "name=run", *overrides])


@pytest.mark.parametrize("job", [["job=build"], ["job=build", "preview=1"], ["job=fit"], ["job=run"]])
def test_texts_of_nothing_but_spaces(job: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"text": "", "label": "good"}, {"text": "   ", "label": "bad"}]
    assert ecomgpt(rows, *job) == 2
    message = capsys.readouterr().err
    assert "the mixture is empty" in message and "2 rows read, 0 kept (left out: empty text 2)" in message
    assert not Path("outputs/run/model").exists()


def test_rows_that_are_all_in_the_test_split(capsys: pytest.CaptureFixture[str]) -> None:
    assert ecomgpt([{"text": "fine tea", "label": "good"}], "job=build", split="test") == 2
    message = capsys.readouterr().err
    assert "1 rows read, 1 kept" in message and "records by split: test 1" in message


def test_numbers_that_are_none_are_no_texts(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"text": float(number), "label": "good"} for number in ("nan", "inf", "-inf")]
    assert ecomgpt(rows, "job=build") == 2
    assert "3 rows read, 0 kept (left out: empty text 3)" in capsys.readouterr().err
