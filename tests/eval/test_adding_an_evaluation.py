"""The guide's own example, taken from its page and evaluated with the real command."""

import json
import re
from pathlib import Path

import pytest

from ecomgpt.__main__ import main
from ecomgpt.eval.metrics.names import METRIC_NAMES
from ecomgpt.eval.trained import RELATIONS

GUIDE = Path(__file__).parents[2] / "docs" / "adding-an-evaluation.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)


def test_a_folder_and_one_yaml_make_an_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    meta, rows = blocks("json")
    folder = tmp_path / "data" / "tone" / "EN-MyShop-CLS-tone"
    own = tmp_path / "own" / "eval" / "tasks" / "en-myshop-tone.yaml"
    for path, text in ((folder / "meta-info.json", meta), (folder / "test.json", rows), (own, blocks("yaml")[0])):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    answers = tmp_path / "answers" / "en-myshop-tone.jsonl"
    answers.parent.mkdir()
    given = {"en-myshop-tone/1": "Matter-of-fact.", "en-myshop-tone/2": "sad"}
    answers.write_text("".join(json.dumps({"id": id_, "prediction": text}) + "\n" for id_, text in given.items()))
    command = [
        "job=evaluate",
        "model=predictions",
        "model.path=answers",
        "paths.conf=own",
        "paths.data=data",
        "eval.tasks=[en-myshop-tone]",
        "name=tone",
    ]
    assert main(command) == 0, capsys.readouterr().err
    (task,) = json.loads((tmp_path / "outputs" / "tone" / "metrics.json").read_text())["tasks"].values()
    assert (task["n"], task["metrics"]["accuracy"]["value"], task["metrics"]["invalid_rate"]["value"]) == (2, 0.5, 0.5)


def test_the_guide_names_every_metric_and_relation() -> None:
    text = GUIDE.read_text("utf-8")
    assert not [name for name in METRIC_NAMES if f"`{name}`" not in text and not name.startswith("released_")]
    names = {
        "cross_dataset": "cross-dataset",
        "cross_task": "cross-task",
        "in_domain": "in-domain",
        "held_out_task": "held-out task",
    }
    assert not [
        name for name in RELATIONS if f"| {names.get(name, name.replace('_', ' '))} |" not in text and name != "general"
    ]
