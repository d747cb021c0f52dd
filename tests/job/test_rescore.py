"""Answers made elsewhere, and scoring again: the real command, without a model."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ecomgpt.__main__ import main
from ecomgpt.eval.statistics.paired import between
from ecomgpt.runtime.directory import Run

SUITE = ["job=evaluate", "model=predictions", "eval=general", "eval.limit=5"]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a folder of perfect answers, made from the questions that a failing command wrote."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "answers").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main([*SUITE, "model.path=answers", "name=asks"]) == 2
    for path in (folder / "outputs" / "asks" / "questions").iterdir():
        rows = [{"id": row["id"], "prediction": row["target"]} for row in lines(path)]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in reversed(rows))
        (folder / "answers" / path.name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def _inside(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def test_missing_files_are_all_named_with_where_the_questions_are(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert main([*SUITE, "model.path=empty", "name=empty"]) == 2
    message = capsys.readouterr().err
    assert (
        "8 problems" in message and "empty/zh-general-facts.jsonl: cannot be read" in message and "questions" in message
    )
    question = lines(Path("outputs/empty/questions/en-general-facts.jsonl"))[0]
    assert set(question) == {"id", "prompt", "candidates", "target"} and question["target"] in question["candidates"]


def test_answers_made_elsewhere_are_scored_and_scored_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SUITE, "model.path=answers", "name=first"]) == 0
    first = Path("outputs/first/metrics.json").read_bytes()
    metrics = json.loads(first)
    for name, task in metrics["tasks"].items():
        assert all(one["value"] == (metric != "invalid_rate") for metric, one in task["metrics"].items()), name
    assert set(metrics["baselines"]) == {"constant", "random", "copy"}
    capsys.readouterr()
    assert main(["job=rescore", "run=outputs/first"]) == 0
    assert "the same as before" in capsys.readouterr().out
    assert Path("outputs/first/metrics.json").read_bytes() == first
    # A run directory is a folder of predictions as well.
    assert main([*SUITE, "model.path=outputs/first", "name=second"]) == 0
    second = json.loads(Path("outputs/second/metrics.json").read_bytes())
    assert {key: value for key, value in second.items() if key != "settings"} == {
        key: value for key, value in metrics.items() if key != "settings"
    }


def test_scoring_again_imports_no_model_code() -> None:
    assert main([*SUITE, "model.path=answers", "name=light"]) == 0
    script = (
        "import sys; from ecomgpt.__main__ import main; code = main(['job=rescore', 'run=outputs/light']); "
        "assert code == 0; assert not {'torch', 'transformers', 'lightning'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_changed_predictions_change_the_scores(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SUITE, "model.path=answers", "name=changed"]) == 0
    file = Path("outputs/changed/predictions/en-general-arithmetic.jsonl")
    file.write_text(file.read_text("utf-8").replace('"prediction": "', '"prediction": "1'), encoding="utf-8")
    capsys.readouterr()
    assert main(["job=rescore", "run=outputs/changed"]) == 0
    assert "changed" in capsys.readouterr().out
    metrics = json.loads(Path("outputs/changed/metrics.json").read_bytes())
    assert metrics["tasks"]["en-general-arithmetic"]["metrics"]["exact_match"]["value"] == 0.0
    file.write_text(file.read_text("utf-8").split("\n", 1)[1], encoding="utf-8")
    assert main(["job=rescore", "run=outputs/changed"]) == 2
    assert "evaluate again" in capsys.readouterr().err


def test_broken_answers_are_named_with_file_and_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken").mkdir()
    for path in Path("answers").iterdir():
        (Path("broken") / path.name).write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\n\n")
    file = Path("broken/en-general-copying.jsonl")
    good = file.read_text("utf-8-sig").split("\n")
    first = json.loads(good[0])
    other = json.dumps({"id": first["id"], "prediction": "x", "prompt": "another question"})
    file.write_text("\n".join([*good[:4], "{broken", '{"id": 3, "prediction": "a"}', good[1], other]), encoding="utf-8")
    short = Path("broken/en-general-facts.jsonl")
    short.write_text(short.read_text("utf-8-sig").split("\n")[0], encoding="utf-8")
    assert main([*SUITE, "model.path=broken", "name=broken"]) == 2
    message = capsys.readouterr().err
    for part in (
        "copying.jsonl:5: is no object",
        "copying.jsonl:6: is no object",
        "after line 2",
        "after line 1",
        f"copying.jsonl:8: '{first['id']}' has another prompt",
        "facts.jsonl: 4 of 5 rows have no answer",
    ):
        assert part in message, part


def test_a_run_in_progress_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    run = Path("outputs/busy")
    run.mkdir(parents=True)
    (run / "config.yaml").write_bytes(Path("outputs/asks/config.yaml").read_bytes())
    worker = subprocess.Popen([sys.executable, "-c", "input()", "ecomgpt"], stdin=subprocess.PIPE)
    status = {"state": "running", "stage": "fit", "pid": worker.pid, "host": socket.gethostname()}
    (run / "status.json").write_text(json.dumps(status))
    try:
        for command in (["job=evaluate", "run=outputs/busy", "name=other"], ["job=rescore", "run=outputs/busy"]):
            assert main(command) == 2
            assert f"process {worker.pid} is still working in" in capsys.readouterr().err
    finally:
        worker.communicate(b"\n")
    assert main(["job=rescore", "run=outputs/busy"]) == 2
    assert "not finished" in capsys.readouterr().err


def test_predictions_without_a_model_are_no_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SUITE, "model.path=answers", "name=alone"]) == 0
    assert main(["job=evaluate", "run=outputs/alone", "name=again"]) == 2
    assert "job=rescore run=outputs/alone" in capsys.readouterr().err
    assert main([*SUITE, "model.path=nowhere", "name=lost"]) == 2
    assert "'nowhere' is no folder" in capsys.readouterr().err


def test_two_runs_are_compared_row_by_row(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = Path("wrong")
    wrong.mkdir()
    for path in Path("answers").iterdir():
        rows = [row | {"prediction": "wrong"} if "arithmetic" in path.name else row for row in lines(path)]
        (wrong / path.name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("answers", "wrong"):
        assert main([*SUITE, f"model.path={name}", f"name=by-{name}"]) == 0
    capsys.readouterr()
    assert main(["job=compare", "run_a=outputs/by-answers", "run_b=outputs/by-wrong", "compare.page=false"]) == 0
    assert "by-wrong" in capsys.readouterr().out
    found = between(Run(Path("outputs/by-answers")), Run(Path("outputs/by-wrong")))
    changed, same = found["en-general-arithmetic"], found["en-general-copying"]
    assert (changed.first, changed.second, changed.change.value) == (0.0, 1.0, 1.0)
    assert (changed.change.p, same.change.p_holm) == (0.0625, 1.0)  # Five of five: no exact test says less.
    assert main([*SUITE, "model.path=answers", "eval.limit=4", "name=fewer"]) == 0
    capsys.readouterr()
    assert main(["job=compare", "run_a=outputs/by-answers", "run_b=outputs/fewer", "compare.page=false"]) == 0
    shown = capsys.readouterr().out
    assert "No statistics of the scores" in shown and "different rows" in shown
    assert main(["job=compare", "run_a=outputs/by-answers"]) == 2
    assert "run_b=<another>" in capsys.readouterr().err
